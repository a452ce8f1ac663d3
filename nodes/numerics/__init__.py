"""Transforms, kernels, stencils and solvers that know nothing of susceptibility maps."""
