"""Total field to local field: what sources outside the brain add is taken away."""

from .ismv import ismv
from .lbv import lbv
from .pdf import pdf
from .resharp import resharp
from .vsharp import vsharp

__all__ = ['ismv', 'lbv', 'pdf', 'resharp', 'vsharp']
