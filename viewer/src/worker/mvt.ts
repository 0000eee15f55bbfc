/**
 * Decode vector tiles (Mapbox Vector Tile specification 2.1) straight into arrays.
 *
 * Of the two layers that PathServe writes, `objects` has one feature for each object and `density` one for all bins
 * of a class and layer that have the same count.
 */
import { PbfReader } from 'pbf'
import type { ObjectTile } from './object-tile'
import { ObjectTileBuilder } from './object-tile-builder'

type Value = string | number | boolean
type Tags = Map<string, Value>
type Span = readonly [start: number, end: number]

interface RawLayer {
  name: string
  keys: string[]
  values: Value[]
  /** Where the features' messages are; they may stand before the keys and values. */
  features: Span[]
}

interface RawFeature {
  id: number
  type: number
  tags: Span
  geometry: Span
}

const NOTHING: Span = [0, 0]
const MOVE_TO = 1
const CLOSE_PATH = 7

function spanOf(pbf: PbfReader): Span {
  const length = pbf.readVarint()
  const start = pbf.pos
  pbf.pos += length
  return [start, pbf.pos]
}

function readValue(pbf: PbfReader): Value {
  return pbf.readMessage(
    (field, found: { value: Value }) => {
      if (field === 1) found.value = pbf.readString()
      else if (field === 2) found.value = pbf.readFloat()
      else if (field === 3) found.value = pbf.readDouble()
      else if (field === 4 || field === 5) found.value = pbf.readVarint(field === 4)
      else if (field === 6) found.value = pbf.readSVarint()
      else if (field === 7) found.value = pbf.readBoolean()
    },
    { value: '' },
  ).value
}

function readLayer(pbf: PbfReader): RawLayer {
  const layer: RawLayer = { name: '', keys: [], values: [], features: [] }
  return pbf.readMessage((field) => {
    if (field === 1) layer.name = pbf.readString()
    else if (field === 2) layer.features.push(spanOf(pbf))
    else if (field === 3) layer.keys.push(pbf.readString())
    else if (field === 4) layer.values.push(readValue(pbf))
  }, layer)
}

function readFeature(pbf: PbfReader, [start, end]: Span): RawFeature {
  const feature: RawFeature = { id: 0, type: 0, tags: NOTHING, geometry: NOTHING }
  pbf.pos = start
  return pbf.readFields(
    (field) => {
      if (field === 1) feature.id = pbf.readVarint()
      else if (field === 2) feature.tags = spanOf(pbf)
      else if (field === 3) feature.type = pbf.readVarint()
      else if (field === 4) feature.geometry = spanOf(pbf)
    },
    feature,
    end,
  )
}

/** Fill `tags` with those of a feature. */
function readTags(pbf: PbfReader, { keys, values }: RawLayer, [start, end]: Span, tags: Tags): void {
  tags.clear()
  pbf.pos = start
  while (pbf.pos < end) {
    const [key, value] = [keys[pbf.readVarint()], values[pbf.readVarint()]]
    if (key !== undefined && value !== undefined) tags.set(key, value)
  }
}

/** Follow a feature's commands; every one but ClosePath is followed by pairs of steps. */
function readGeometry(pbf: PbfReader, [start, end]: Span, builder: ObjectTileBuilder): void {
  pbf.pos = start
  let [x, y] = [0, 0]
  while (pbf.pos < end) {
    const command = pbf.readVarint()
    if ((command & 7) === CLOSE_PATH) continue
    for (let left = command >> 3; left > 0 && pbf.pos < end; left--) {
      x += pbf.readSVarint()
      y += pbf.readSVarint()
      if ((command & 7) === MOVE_TO) builder.beginPath()
      builder.addVertex(x, y)
    }
  }
}

function readObjects(pbf: PbfReader, layer: RawLayer, builder: ObjectTileBuilder): void {
  const tags: Tags = new Map()
  for (const span of layer.features) {
    const { id, type, tags: tagSpan, geometry } = readFeature(pbf, span)
    readTags(pbf, layer, tagSpan, tags)
    builder.beginObject(
      id,
      type,
      String(tags.get('class') ?? ''),
      String(tags.get('layer') ?? ''),
      tags.has('exhaustive'),
    )
    readGeometry(pbf, geometry, builder)
    builder.endObject()
  }
}

function readDensity(pbf: PbfReader, layer: RawLayer, builder: ObjectTileBuilder): void {
  const tags: Tags = new Map()
  for (const span of layer.features) {
    const { tags: tagSpan, geometry } = readFeature(pbf, span)
    readTags(pbf, layer, tagSpan, tags)
    const count = Number(tags.get('count') ?? 0)
    const [className, layerName] = [String(tags.get('class') ?? ''), String(tags.get('layer') ?? '')]
    pbf.pos = geometry[0]
    let [x, y] = [0, 0]
    for (let left = pbf.readVarint() >> 3; left > 0 && pbf.pos < geometry[1]; left--) {
      x += pbf.readSVarint()
      y += pbf.readSVarint()
      builder.addBin(x, y, count, className, layerName)
    }
  }
}

/** Decode one tile; layers of other names are left out. */
export function decodeTile(bytes: ArrayBuffer): ObjectTile {
  const pbf = new PbfReader(bytes)
  const builder = new ObjectTileBuilder()
  const layers = pbf.readFields((field, found: RawLayer[]) => {
    if (field === 3) found.push(readLayer(pbf))
  }, [])
  for (const layer of layers) {
    if (layer.name === 'objects') readObjects(pbf, layer, builder)
    else if (layer.name === 'density') readDensity(pbf, layer, builder)
  }
  return builder.build()
}
