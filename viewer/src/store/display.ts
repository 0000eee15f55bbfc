/** How the open slide is shown: channels, plane, time, colours; and what is known about its samples. */
import { computed, type ReadonlySignal, type Signal, signal } from '@preact/signals'
import { getSamples } from '../api/slides'
import { type ChannelLook, type Depth, type Look, OWN_LOOK, ownLook } from '../model/look'
import { type Light, lightsOf, type SlideSamples, windowOf } from '../model/samples'
import { isColour, middlePlane, type Slide } from '../model/slide'

export class Display {
  readonly look: Signal<Look>
  /** What is known about the samples; null until it has come, and for slides in colour. */
  readonly samples = signal<SlideSamples | null>(null)
  readonly state = signal<'loading' | 'ready' | 'failed'>('loading')
  /** What the channels that are shown add to the picture; null as long as that is not known here. */
  readonly lights: ReadonlySignal<readonly Light[] | null>
  /** Whether the slide is put together out of channels, and not a picture in colour. */
  readonly composed: boolean
  /** Resolves when all is known about the samples that can be. */
  known: Promise<void> = Promise.resolve()
  private readonly planes: number
  private readonly middle: number

  constructor(private readonly slide: Slide) {
    this.composed = !isColour(slide)
    this.planes = slide.planes
    this.middle = middlePlane(slide)
    this.look = signal(ownLook(slide.channels.length))
    this.lights = computed(() => {
      const samples = this.samples.value
      return samples && lightsOf(this.look.value.channels, samples.items)
    })
  }

  /** The plane that is shown; of a projection none. */
  get plane(): number | null {
    const { depth } = this.look.value
    if (depth === null) return this.middle
    return typeof depth === 'number' ? depth : null
  }

  /** Ask for histograms; without them the server puts the tiles together. */
  load(): Promise<void> {
    if (this.composed) this.known = this.ask()
    return this.known
  }

  private async ask(): Promise<void> {
    this.state.value = 'loading'
    try {
      const samples = await getSamples(this.slide.id)
      this.samples.value = samples.rgb ? null : samples
      this.state.value = 'ready'
    } catch {
      this.state.value = 'failed'
    }
  }

  /** Change what is said about one channel. */
  setChannel(index: number, change: Partial<ChannelLook>): void {
    const look = this.look.peek()
    const channels = look.channels.map((channel, at) => (at === index ? { ...channel, ...change } : channel))
    this.look.value = { ...look, channels }
  }

  /** Give all channels what their histograms suggest. */
  autoAll(): void {
    const look = this.look.peek()
    this.look.value = { ...look, channels: look.channels.map((channel) => ({ ...channel, window: 'auto' })) }
  }

  /** Show one channel as the slide states it. */
  reset(index: number): void {
    const shown = this.look.peek().channels[index]?.shown ?? true
    this.setChannel(index, { ...OWN_LOOK, shown })
  }

  resetAll(): void {
    this.look.value = { ...this.look.peek(), channels: ownLook(this.slide.channels.length).channels }
  }

  /** Begin or end a channel's window; a window has at least one step. */
  moveWindow(index: number, end: 0 | 1, value: number, step: number): void {
    const [look, facts] = [this.look.peek().channels[index], this.samples.peek()?.items[index]]
    if (!look || !facts || !Number.isFinite(value)) return
    const [from, to] = windowOf(look, facts)
    this.setChannel(index, {
      window: end === 0 ? [Math.min(value, to - step), to] : [from, Math.max(value, from + step)],
    })
  }

  setDepth(depth: Depth): void {
    this.look.value = { ...this.look.peek(), depth: depth === this.middle ? null : depth }
  }

  /** Go through the stack; from a projection to its middle plane. */
  stepPlane(by: number): void {
    if (this.planes < 2) return
    const plane = this.plane
    this.setDepth(plane === null ? this.middle : Math.min(this.planes - 1, Math.max(0, plane + by)))
  }

  toggleProjection(): void {
    if (this.planes > 1) this.setDepth(this.look.peek().depth === 'max' ? null : 'max')
  }

  setTime(time: number): void {
    this.look.value = { ...this.look.peek(), time }
  }

  stepTime(by: number): void {
    const time = this.look.peek().time + by
    if (time >= 0 && time < this.slide.times) this.setTime(time)
  }

  setColor(color: Look['color']): void {
    this.look.value = { ...this.look.peek(), color }
  }
}
