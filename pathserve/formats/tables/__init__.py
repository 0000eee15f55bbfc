"""Tables of geometry: TIAToolbox's store, GeoParquet, FlatGeobuf."""
