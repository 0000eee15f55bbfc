/** What each format keeps, in a few words; docs/reference/formats.md says it in full. */
const NOTES: Readonly<Record<string, string>> = {
  geojson: 'Everything: outlines to the last digit, ids, layers, all properties.',
  geojsonl: 'Everything, one object a line: for programs that read as it comes.',
  qupath: 'For QuPath: outlines, classes with colours, measurements. No layers, authors, numbers.',
  asap: 'Outlines, classes, names. Holes as outlines of a group of their own. No measurements.',
  imagescope: 'Outlines, classes, names, holes as negative regions. No measurements.',
  halo: 'Outlines in whole pixels, classes, holes as negative regions. No measurements.',
  ndpa: 'Outlines, points and rulers in whole nanometres; the title is the class.',
  dlup: 'Polygons with holes, boxes, points and their classes.',
  omexml: 'ROIs of OME: shapes, with the class as their text.',
  dsa: 'Shapes of HistomicsUI with holes; the class is the group.',
  w3c: 'Outlines as SVG, the class as a tag.',
  camelyon: 'The outlines of one class (option positive=NAME), and its holes.',
  cytomine: 'Outlines as well-known text, and the class.',
  histomicstk: 'Outlines in whole pixels, and the class.',
  wkt: 'A table: id, class, outline as well-known text, properties.',
  tiatoolbox: 'A store that TIAToolbox opens: outlines, classes, properties.',
  geoparquet: 'A table for geopandas and others: outlines, classes, properties.',
  geofeather: 'The same as an Arrow file.',
  flatgeobuf: 'Outlines, classes, properties, for geographic tools.',
  coco: 'Boxes, outlines and categories for training. Holes only as masks: option rle=holes.',
  'dicom-ann': 'Outlines and points by class, for DICOM archives.',
  'dicom-seg': 'Areas as frames of pixels by class (option downsample=D), for DICOM archives.',
}

export function formatNote(name: string): string {
  return NOTES[name] ?? ''
}
