/** A style applied to one tile: what of it is shown, and in which colours. */
import { UNCLASSIFIED } from '../model/annotation-class'
import type { Color } from '../model/geojson'
import type { ObjectStyle } from '../model/object-style'
import type { ObjectTile } from './object-tile'

/** A style that can be asked quickly. */
export class Style {
  readonly filled: boolean
  readonly colors: ReadonlyMap<string, Color>
  readonly hiddenLayers: ReadonlySet<string>
  readonly hiddenClasses: ReadonlySet<string>
  readonly drawnElsewhere: ReadonlySet<number>
  readonly chosen: ReadonlySet<number>
  /** Classes of objects that the tiles have another one of; '' is none. */
  readonly reclassed: ReadonlyMap<number, string>
  readonly newClasses: readonly string[]

  constructor(style: ObjectStyle) {
    this.filled = style.filled
    this.colors = new Map(Object.entries(style.colors))
    this.hiddenLayers = new Set(style.hiddenLayers)
    this.hiddenClasses = new Set(style.hiddenClasses)
    this.drawnElsewhere = new Set([...style.drawnElsewhere, ...style.gone])
    this.chosen = new Set(style.chosen)
    const reclassed = new Map<number, string>()
    for (const { numbers, className } of style.reclassed) {
      for (const number of numbers) reclassed.set(number, className ?? '')
    }
    this.reclassed = reclassed
    this.newClasses = [...new Set(reclassed.values())]
  }
}

export class TileLook {
  /** Names of the tile, and after them those of classes that only objects reclassed since have. */
  private readonly texts: readonly string[]
  private readonly layers: readonly boolean[]
  private readonly classes: readonly boolean[]
  private readonly colors: readonly Color[]

  constructor(
    private readonly tile: ObjectTile,
    private readonly style: Style,
  ) {
    this.layers = tile.texts.map((text) => !style.hiddenLayers.has(text))
    this.texts = [...new Set([...tile.texts, ...style.newClasses])]
    this.classes = this.texts.map((text) => !style.hiddenClasses.has(text))
    this.colors = this.texts.map((text) => style.colors.get(text) ?? UNCLASSIFIED)
  }

  /** Whether objects of this class and layer are shown. */
  kindShown(className: number, layer: number): boolean {
    return this.classes[className] === true && this.layers[layer] === true
  }

  /** Whether an object is shown here. */
  shown(index: number): boolean {
    const { tile, style } = this
    if (!this.kindShown(this.classOf(index), tile.layers[index] as number)) return false
    return style.drawnElsewhere.size === 0 || !style.drawnElsewhere.has(tile.numbers[index] as number)
  }

  /** The class that an object is shown with, as `color` and `kindShown` take it. */
  classOf(index: number): number {
    const { tile, style } = this
    const own = tile.classes[index] as number
    if (style.reclassed.size === 0) return own
    const name = style.reclassed.get(tile.numbers[index] as number)
    return name === undefined ? own : this.texts.indexOf(name)
  }

  /** Its name; null: none. */
  className(index: number): string | null {
    return this.texts[this.classOf(index)] || null
  }

  chosen(index: number): boolean {
    return this.style.chosen.size > 0 && this.style.chosen.has(this.tile.numbers[index] as number)
  }

  color(className: number): Color {
    return this.colors[className] ?? UNCLASSIFIED
  }
}
