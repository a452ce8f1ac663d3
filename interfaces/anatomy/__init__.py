"""Registration and labels: ANTs on files, atlases, transforms between the grids of a visit."""
