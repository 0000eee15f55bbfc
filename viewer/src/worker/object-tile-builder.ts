/** Puts the arrays of one tile together, feature by feature. */
import type { ObjectTile } from './object-tile'

/** What 16 bits hold; our tiles end 256 units past their edge. */
const FARTHEST = 32_767

function cut(value: number): number {
  return Math.max(-FARTHEST, Math.min(FARTHEST, value))
}

/** An array that grows by doubling. */
class Vertices {
  private held = new Int16Array(1 << 12)
  length = 0

  push(x: number, y: number): void {
    if (this.length + 2 > this.held.length) {
      const larger = new Int16Array(this.held.length * 2)
      larger.set(this.held)
      this.held = larger
    }
    this.held[this.length++] = x
    this.held[this.length++] = y
  }

  taken(): Int16Array {
    return this.held.slice(0, this.length)
  }
}

export class ObjectTileBuilder {
  private readonly texts: string[] = ['']
  private readonly indices = new Map<string, number>([['', 0]])
  private readonly numbers: number[] = []
  private readonly kinds: number[] = []
  private readonly classes: number[] = []
  private readonly layers: number[] = []
  private readonly exhaustive: number[] = []
  private readonly boxes: number[] = []
  private readonly firstPath: number[] = []
  private readonly firstVertex: number[] = []
  private readonly vertices = new Vertices()
  private readonly bins = { xs: [], ys: [], counts: [], classes: [], layers: [] } as Record<string, number[]>
  private box: [number, number, number, number] = [0, 0, 0, 0]

  beginObject(number: number, kind: number, className: string, layer: string, exhaustive: boolean): void {
    this.numbers.push(number)
    this.kinds.push(kind)
    this.classes.push(this.indexOf(className))
    this.layers.push(this.indexOf(layer))
    this.exhaustive.push(exhaustive ? 1 : 0)
    this.firstPath.push(this.firstVertex.length)
    this.box = [FARTHEST, FARTHEST, -FARTHEST, -FARTHEST]
  }

  beginPath(): void {
    this.firstVertex.push(this.vertices.length / 2)
  }

  addVertex(x: number, y: number): void {
    const [px, py] = [cut(x), cut(y)]
    this.vertices.push(px, py)
    const { box } = this
    if (px < box[0]) box[0] = px
    if (py < box[1]) box[1] = py
    if (px > box[2]) box[2] = px
    if (py > box[3]) box[3] = py
  }

  endObject(): void {
    this.boxes.push(...this.box)
  }

  addBin(x: number, y: number, count: number, className: string, layer: string): void {
    const values = {
      xs: cut(x),
      ys: cut(y),
      counts: count,
      classes: this.indexOf(className),
      layers: this.indexOf(layer),
    }
    for (const [name, value] of Object.entries(values)) this.bins[name]?.push(value)
  }

  build(): ObjectTile {
    const { bins } = this
    const density = {
      xs: Int16Array.from(bins.xs ?? []),
      ys: Int16Array.from(bins.ys ?? []),
      counts: Float64Array.from(bins.counts ?? []),
      classes: Uint16Array.from(bins.classes ?? []),
      layers: Uint16Array.from(bins.layers ?? []),
    }
    const arrays = {
      numbers: Float64Array.from(this.numbers),
      kinds: Uint8Array.from(this.kinds),
      classes: Uint16Array.from(this.classes),
      layers: Uint16Array.from(this.layers),
      exhaustive: Uint8Array.from(this.exhaustive),
      boxes: Int16Array.from(this.boxes),
      firstPath: Uint32Array.from([...this.firstPath, this.firstVertex.length]),
      firstVertex: Uint32Array.from([...this.firstVertex, this.vertices.length / 2]),
      vertices: this.vertices.taken(),
    }
    const sizes = [...Object.values(arrays), ...Object.values(density)].map((array) => array.byteLength)
    // An empty tile takes some room too: what is not counted would be kept without end.
    const byteLength = sizes.reduce((sum, size) => sum + size, 1024)
    return { ...arrays, density, texts: this.texts, byteLength }
  }

  private indexOf(text: string): number {
    const known = this.indices.get(text)
    if (known !== undefined) return known
    const index = this.texts.push(text) - 1
    this.indices.set(text, index)
    return index
  }
}
