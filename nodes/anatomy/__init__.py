"""Brain masks, regions and what is measured in them."""
