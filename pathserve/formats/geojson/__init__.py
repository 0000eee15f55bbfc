"""GeoJSON and what QuPath makes of it, of any size."""
