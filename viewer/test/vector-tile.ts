/** Write vector tiles for tests, by the specification and apart from the code that reads them. */
import { PbfWriter } from 'pbf'

export type Tags = Readonly<Record<string, string | number | boolean>>
export type Point = readonly [number, number]

export interface TileFeature {
  readonly id?: number
  /** 1 points, 2 lines, 3 polygons (rings without their closing point). */
  readonly type: 1 | 2 | 3
  readonly paths: readonly (readonly Point[])[]
  readonly tags: Tags
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

function commandsOf({ type, paths }: TileFeature): number[] {
  const commands: number[] = []
  let [x, y] = [0, 0]
  const step = ([px, py]: Point): void => {
    commands.push(zigzag(px - x), zigzag(py - y))
    ;[x, y] = [px, py]
  }
  if (type === 1) {
    commands.push((paths.length << 3) | 1)
    for (const [point] of paths) if (point) step(point)
    return commands
  }
  for (const [first, ...rest] of paths) {
    if (!first) continue
    commands.push(9)
    step(first)
    commands.push((rest.length << 3) | 2)
    for (const point of rest) step(point)
    if (type === 3) commands.push(15)
  }
  return commands
}

/** A tile of named layers; `keysFirst` writes keys and values before the features that need them. */
export function writeTile(
  layers: Readonly<Record<string, readonly TileFeature[]>>,
  { keysFirst = false }: { readonly keysFirst?: boolean } = {},
): ArrayBuffer {
  const pbf = new PbfWriter()
  for (const [name, features] of Object.entries(layers)) {
    pbf.writeMessage(3, (_, out) => writeLayer(out as PbfWriter, name, features, keysFirst), null)
  }
  return pbf.finish().slice().buffer as ArrayBuffer
}

function writeLayer(pbf: PbfWriter, name: string, features: readonly TileFeature[], keysFirst: boolean): void {
  const keys: string[] = []
  const values: Tags[string][] = []
  const indexIn = <T>(list: T[], value: T): number => {
    const at = list.indexOf(value)
    return at >= 0 ? at : list.push(value) - 1
  }
  const coded = features.map((feature) => ({
    feature,
    tags: Object.entries(feature.tags).flatMap(([key, value]) => [indexIn(keys, key), indexIn(values, value)]),
  }))
  const writeKeys = (): void => {
    for (const key of keys) pbf.writeStringField(3, key)
    for (const value of values) pbf.writeMessage(4, (_, out) => writeValue(out as PbfWriter, value), null)
  }
  pbf.writeVarintField(15, 2)
  pbf.writeStringField(1, name)
  if (keysFirst) writeKeys()
  for (const { feature, tags } of coded) {
    pbf.writeMessage(2, (_, out) => writeFeature(out as PbfWriter, feature, tags), null)
  }
  if (!keysFirst) writeKeys()
  pbf.writeVarintField(5, 4096)
}

function writeFeature(pbf: PbfWriter, feature: TileFeature, tags: number[]): void {
  if (feature.id !== undefined) pbf.writeVarintField(1, feature.id)
  pbf.writePackedVarint(2, tags)
  pbf.writeVarintField(3, feature.type)
  pbf.writePackedVarint(4, commandsOf(feature))
}

function writeValue(pbf: PbfWriter, value: Tags[string]): void {
  if (typeof value === 'string') pbf.writeStringField(1, value)
  else if (typeof value === 'boolean') pbf.writeBooleanField(7, value)
  else if (Number.isInteger(value)) pbf.writeVarintField(5, value)
  else pbf.writeDoubleField(3, value)
}

/** An upright square as a ring. */
export function ring(x: number, y: number, side: number): Point[] {
  return [
    [x, y],
    [x + side, y],
    [x + side, y + side],
    [x, y + side],
  ]
}
