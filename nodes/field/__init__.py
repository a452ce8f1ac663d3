"""From stored phase and magnitude to the total field, its noise, the mask, and R2*."""
