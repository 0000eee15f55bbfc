/** The objects of one decoded tile as plain arrays: a thousand of them cost no more than one. */

export const POINT = 1
export const LINE = 2
export const POLYGON = 3

export interface Density {
  /** Units from the tile's top-left corner. */
  readonly xs: Int16Array
  readonly ys: Int16Array
  readonly counts: Float64Array
  readonly classes: Uint16Array
  readonly layers: Uint16Array
}

export interface ObjectTile {
  /** Bytes that all arrays take together. */
  readonly byteLength: number
  readonly numbers: Float64Array
  /** POINT, LINE or POLYGON. */
  readonly kinds: Uint8Array
  /** Index into `texts`; 0 is none. */
  readonly classes: Uint16Array
  readonly layers: Uint16Array
  /** 1 where the object is an area that was annotated exhaustively. */
  readonly exhaustive: Uint8Array
  /** Left, top, right, bottom of each object in units. */
  readonly boxes: Int16Array
  /** Paths of object n: those from `firstPath[n]` to before `firstPath[n + 1]`. */
  readonly firstPath: Uint32Array
  /** Vertices of path p: those from `firstVertex[p]` to before `firstVertex[p + 1]`; a ring's first is not repeated. */
  readonly firstVertex: Uint32Array
  /** x and y of each vertex in units. */
  readonly vertices: Int16Array
  readonly density: Density
  /** Names of classes and layers; the first is ''. */
  readonly texts: readonly string[]
}

/** Number of objects in a tile; those that are only counted are not among them. */
export function sizeOf(tile: ObjectTile): number {
  return tile.numbers.length
}

/** What a text stands for: '' is no class. */
export function nameOf(tile: ObjectTile, index: number | undefined): string | null {
  return tile.texts[index ?? 0] || null
}
