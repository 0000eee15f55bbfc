/** Hovering, selecting, going through objects: the workers find them in tiles, the server gives the one that is meant. */
import { batch } from '@preact/signals'
import { annotationsByNumber, getAnnotation } from '../api/annotations'
import type { Feature, Position } from '../model/geojson'
import type { Box } from '../model/geometry'
import { groupOf, type Picked, pickedOf, samePicked } from '../model/picked'
import type { AnnotationStore } from './annotations'
import type { Interaction } from './interaction'
import type { ObjectReader } from './object-reader'
import type { SaveQueue } from './queue'
import type { Touched } from './touched'

interface Place {
  readonly p: Position
  readonly reach: number
}

interface Parts {
  readonly slide: string
  readonly objects: AnnotationStore
  readonly touched: Touched
  readonly interaction: Interaction
  readonly queue: SaveQueue
  readonly visible: (feature: Feature) => boolean
}

export class Picking {
  private reader: ObjectReader | null = null
  private wanted: Place | null = null
  private looking = false
  /** How many places under the pointer have been looked at. */
  looks = 0
  /** Rises with every choice: what an older one still finds is not wanted any more. */
  private choice = 0
  /** Settles when what was chosen last is held, or is not there. */
  chosen: Promise<void> = Promise.resolve()
  private stepping: Promise<void> = Promise.resolve()
  /** What was found where the pointer is. */
  private seen: { readonly place: Place; readonly picked: Picked | null } | null = null

  constructor(private readonly parts: Parts) {}

  attach(reader: ObjectReader | null): void {
    this.reader = reader
  }

  /** Show what is under the pointer; null: there is no pointer. While an answer is awaited only the last place counts. */
  hover(place: Place | null): void {
    this.wanted = place
    if (!place) this.parts.interaction.hover.value = null
    else if (!this.looking) void this.look()
  }

  /** Select the object at a place, or nothing. What the pointer has shown there is shown at once; tiles have the last word. */
  async select(place: Place): Promise<void> {
    let choice = ++this.choice
    const pointed = this.pointedAt(place)
    if (pointed) this.chosen = this.choose(pointed, choice)
    const picked = await this.pick(place, pointed)
    if (choice !== this.choice) return
    if (!pointed || !samePicked(pointed, picked)) {
      choice = ++this.choice
      this.chosen = this.choose(picked, choice)
    }
    await this.chosen
  }

  /** Select all objects within a ring, and answer how many; null when the ring is too large to look through. */
  async selectWithin(ring: readonly Position[]): Promise<number | null> {
    const choice = ++this.choice
    const group = (await this.reader?.within(ring)) ?? null
    if (choice !== this.choice || !group) return null
    const [only] = group.numbers
    if (group.numbers.length === 1 && only !== undefined) await this.chooseNumber(only, choice)
    else {
      batch(() => {
        this.parts.interaction.preview.value = null
        this.parts.interaction.selection.value = null
        this.parts.interaction.group.value = group.numbers.length === 0 ? null : group
      })
    }
    return group.numbers.length
  }

  /** Select the next (or previous) object of a box in reading order; of quick steps each counts. */
  step(box: Box, by: 1 | -1): Promise<void> {
    this.stepping = this.stepping.then(() => this.stepNow(box, by)).catch(() => undefined)
    return this.stepping
  }

  private async stepNow(box: Box, by: 1 | -1): Promise<void> {
    const choice = ++this.choice
    const numbers = await this.reader?.inReadingOrder(box)
    if (!numbers || numbers.length === 0 || choice !== this.choice) return
    const selected = this.parts.objects.get(this.parts.interaction.selection.peek() ?? '')
    const at = numbers.indexOf(selected?.properties.number ?? -1)
    const next = at < 0 ? (by > 0 ? 0 : -1) : (at + by) % numbers.length
    const number = numbers.at(next)
    if (number !== undefined) await this.chooseNumber(number, choice)
  }

  /** Hold an object by its id; null when it is not there. */
  async hold(id: string): Promise<Feature | null> {
    const held = this.parts.objects.get(id)
    if (held) return held
    const stored = await getAnnotation(id).catch(() => null)
    return stored ? this.take(stored.feature) : null
  }

  /** The object under a place: touched ones are held here, all others are in tiles; `known` when those cannot be had. */
  private async pick({ p, reach }: Place, known: Picked | null = null): Promise<Picked | null> {
    const { objects, touched, visible } = this.parts
    const held = objects.hit(p, reach, (feature) => touched.has(feature.id) && visible(feature))
    const found = (await this.reader?.pick(p, reach).catch(() => known)) ?? null
    const own = held && pickedOf(held)
    if (!own || !found) return own ?? found
    return found.area < own.area ? found : own
  }

  private async look(): Promise<void> {
    this.looking = true
    try {
      while (this.wanted) {
        const place = this.wanted
        const picked = await this.pick(place)
        this.seen = { place, picked }
        this.looks++
        // Nobody points any more.
        if (this.wanted === null) break
        this.show(picked)
        if (this.wanted === place) break
      }
    } finally {
      this.looking = false
    }
  }

  private show(picked: Picked | null): void {
    const { hover } = this.parts.interaction
    if (samePicked(hover.peek(), picked)) return
    hover.value = picked
    // What its tile has cut is shown whole as soon as it has come.
    if (picked && !picked.whole && picked.number !== null) void this.complete(picked.number)
  }

  /** What is shown under the pointer, when it is known for exactly this place. */
  private pointedAt({ p, reach }: Place): Picked | null {
    const { seen } = this
    const shown = this.parts.interaction.hover.peek()
    if (!seen || !shown || !samePicked(shown, seen.picked)) return null
    const same = seen.place.p[0] === p[0] && seen.place.p[1] === p[1] && seen.place.reach === reach
    return same ? shown : null
  }

  private async complete(number: number): Promise<void> {
    const { hover } = this.parts.interaction
    const feature = this.parts.objects.byNumber(number) ?? (await this.ask(number))
    if (feature && hover.peek()?.number === number) hover.value = pickedOf(feature)
  }

  private async choose(picked: Picked | null, choice: number): Promise<void> {
    if (picked?.number != null && picked.id === null) {
      // Shown at once: the answer to a click is not to wait for the server.
      if (choice === this.choice && !this.parts.objects.byNumber(picked.number)) this.preview(picked)
      await this.chooseNumber(picked.number, choice, picked)
    } else if (choice === this.choice) this.selectId(picked?.id ?? null)
  }

  private async chooseNumber(number: number, choice: number, picked: Picked | null = null): Promise<void> {
    const held = this.parts.objects.byNumber(number)
    const feature = held ?? (await this.ask(number))
    if (choice !== this.choice) return
    if (feature === undefined && picked) {
      // Without a connection it is known by its number alone, and that is enough to class or delete it.
      batch(() => {
        this.selectId(null)
        this.parts.interaction.group.value = groupOf(picked)
      })
      return
    }
    batch(() => this.selectId(feature ? (held ?? this.take(feature)).id : null))
  }

  private preview(picked: Picked): void {
    const { selection, group, preview } = this.parts.interaction
    batch(() => {
      group.value = null
      selection.value = null
      preview.value = picked
    })
  }

  private selectId(id: string | null): void {
    const { selection, group, preview } = this.parts.interaction
    batch(() => {
      preview.value = null
      group.value = null
      selection.value = id
    })
  }

  /** Null: it is not there; undefined: nobody knows. */
  private async ask(number: number): Promise<Feature | null | undefined> {
    const found = await annotationsByNumber(this.parts.slide, [number]).catch(() => undefined)
    return found && (found[0] ?? null)
  }

  /** Hold what the server has told, unless the reader wants it otherwise. */
  private take(feature: Feature): Feature {
    const { objects, queue } = this.parts
    const wanted = queue.pending.peek().get(feature.id)?.desired
    if (wanted) return wanted
    if (feature.properties.revision !== undefined) queue.learn(feature.id, feature.properties.revision)
    objects.set(feature)
    return feature
  }
}
