/** One open slide: its facts, classes, layers, objects, save queue, and what the reader does with them. */
import { computed, effect, type Signal, signal } from '@preact/signals'
import type { Session } from '../api/session'
import { getClasses, getLayers, getSlide, renameSlide } from '../api/slides'
import { type AnnotationClass, classNameOf, type LayerInfo, newClass, paletteHotkeys } from '../model/annotation-class'
import type { Feature } from '../model/geojson'
import { boundsOf, type Mpp } from '../model/geometry'
import { mppOf, type Slide } from '../model/slide'
import { viewBox } from '../model/view'
import { AnnotationStore } from './annotations'
import { followBuilding } from './building'
import { Display } from './display'
import { Editor } from './editor'
import { Interaction } from './interaction'
import { AnnotationLoader } from './loader'
import { memoryPendingDb, openPendingDb, type PendingDb } from './pending-db'
import { SaveQueue } from './queue'
import { ViewStore } from './view'

/** How long the view rests before objects are asked for. */
const SETTLE_MS = 120

export class Workspace {
  readonly slide: Signal<Slide>
  readonly classes = signal<readonly AnnotationClass[]>([])
  readonly layers = signal<readonly LayerInfo[]>([])
  readonly classMap = computed(() => new Map(this.classes.value.map((entry) => [entry.name, entry])))
  readonly hotkeys = computed(() => paletteHotkeys(this.classes.value))
  readonly total = computed(() => this.layers.value.reduce((sum, layer) => sum + layer.annotations, 0))
  /** Counts the times that more of the slide may have become available. */
  readonly rebuilt = signal(0)
  readonly objects = new AnnotationStore()
  readonly view = new ViewStore()
  readonly display: Display
  readonly interaction = new Interaction()
  readonly queue: SaveQueue
  readonly editor: Editor
  readonly loader: AnnotationLoader
  private readonly stops: (() => void)[] = []

  constructor(
    slide: Slide,
    readonly session: Session,
    db: PendingDb,
  ) {
    this.slide = signal(slide)
    this.display = new Display(slide)
    void this.display.load()
    this.queue = new SaveQueue(session.user, slide.id, db, (id, feature, note) => {
      this.editor.saved(id, feature, note)
      void this.refreshLayers()
    })
    this.editor = new Editor(this.objects, this.queue)
    this.loader = new AnnotationLoader(
      slide.id,
      () => this.total.peek(),
      (features) => this.receive(features),
    )
  }

  /** Micrometres per level-0 pixel, or null when they are unknown or implausible. */
  get mpp(): Mpp | null {
    return mppOf(this.slide.value)
  }

  get canAnnotate(): boolean {
    return this.session.can_annotate
  }

  /** Reviewers and administrators may give a slide another name. */
  get canRename(): boolean {
    return this.session.role === 'reviewer' || this.session.role === 'admin'
  }

  /** Admins of all projects may see what staff call the slide, its case and its patient. */
  get canSeeOriginals(): boolean {
    return this.session.can_see_originals
  }

  /** Administrators may see what was scanned beside the slide and can name a person. */
  get canSeeIdentity(): boolean {
    return this.session.role === 'admin'
  }

  async rename(name: string): Promise<void> {
    // The answer has what the catalogue holds, not what is known of the pixels besides.
    this.slide.value = { ...this.slide.peek(), ...(await renameSlide(this.slide.peek().id, name)) }
  }

  /** Whether an object is shown: its layer is, and objects are at all. */
  readonly visible = (feature: Feature): boolean => {
    const { hiddenLayers, showObjects } = this.interaction
    return showObjects.value && !hiddenLayers.value.has(feature.properties.layer ?? '')
  }

  /** Whether this reader may change the object here and sees it; the server has the last word. */
  mayEdit(feature: Feature): boolean {
    return this.canAnnotate && feature.properties.isLocked !== true && this.visible(feature)
  }

  /** Objects whose last edit the server refused, with its reason. */
  reasonOf(id: string): string {
    const record = this.queue.pending.value.get(id)
    return record?.status === 'refused' ? record.reason : ''
  }

  /** Choose the class of new objects; with another tool than a drawing one, the selected object gets it too. */
  chooseClass(name: string | null): void {
    this.interaction.activeClass.value = name
    if (this.interaction.tool.peek() !== 'polygon') this.classifySelected(name)
  }

  /** Give the selected object another class. */
  classifySelected(name: string | null): void {
    const id = this.interaction.selection.peek()
    const feature = id === null ? undefined : this.objects.get(id)
    if (feature && this.mayEdit(feature) && classNameOf(feature) !== name) {
      this.editor.classify(feature.id, this.classMap.peek().get(name ?? '') ?? null)
    }
  }

  /** Choose a class by name, a new one too. */
  addClass(name: string): void {
    const classes = this.classes.peek()
    if (!classes.some((entry) => entry.name === name)) this.classes.value = [...classes, newClass(name, classes)]
    this.chooseClass(name)
  }

  deleteSelected(): void {
    const id = this.interaction.selection.peek()
    const feature = id === null ? undefined : this.objects.get(id)
    if (!feature || !this.mayEdit(feature)) return
    this.interaction.selection.value = null
    this.editor.delete(feature.id)
  }

  /** Select an object and bring it into view. */
  goTo(id: string): void {
    const feature = this.objects.get(id)
    if (!feature) return
    const [x0, y0, x1, y1] = boundsOf(feature.geometry)
    this.interaction.selection.value = id
    this.view.jump({ x: (x0 + x1) / 2, y: (y0 + y1) / 2 })
  }

  /** Select the next (or previous) object on the screen in reading order. */
  step(by: 1 | -1): void {
    const view = this.view.view.peek()
    if (!view) return
    const features = this.objects.inReadingOrder(viewBox(view), this.visible)
    const at = features.findIndex(({ id }) => id === this.interaction.selection.peek())
    const next = at < 0 ? (by > 0 ? 0 : -1) : (at + by) % features.length
    this.interaction.selection.value = features.at(next)?.id ?? null
  }

  /** Start loading and saving; resolves when the objects of the first view have come, or cannot be had. */
  async start(): Promise<void> {
    this.listenForNetwork()
    this.stops.push(followBuilding(this.slide, this.rebuilt))
    this.editor.overlay(await this.queue.restore())
    void this.queue.flush()
    await this.refreshSchema().catch(() => this.loader.fail())
    this.interaction.activeClass.value = this.classes.peek()[0]?.name ?? null
    this.followView()
    await this.loader.settled()
  }

  /** Ask for classes, layers and objects again. */
  async reload(): Promise<void> {
    const view = this.view.view.peek()
    try {
      await this.refreshSchema()
    } catch {
      this.loader.fail()
      return
    }
    if (view) await this.loader.reload(view)
  }

  dispose(): void {
    for (const stop of this.stops) stop()
    this.loader.dispose()
    this.queue.dispose()
  }

  private receive(features: readonly Feature[]): void {
    const pending = this.queue.pending.peek()
    for (const { id, properties } of features) {
      if (!pending.has(id) && properties.revision !== undefined) this.queue.learn(id, properties.revision)
    }
    const selected = this.interaction.selection.peek()
    const gone = new Set([...pending.values()].filter((r) => r.desired === null).map((record) => record.id))
    const shown = features.filter((feature) => !gone.has(feature.id))
    this.objects.replaceAll(shown, (id) => pending.has(id) || (id === selected && !shown.some((f) => f.id === id)))
  }

  private async refreshSchema(): Promise<void> {
    const { id } = this.slide.peek()
    const [classes, layers] = await Promise.all([getClasses(id), getLayers(id)])
    // Classes that the reader has just added stay until the server has them.
    const named = new Set(classes.map(({ name }) => name))
    this.classes.value = [
      ...classes,
      ...this.classes.peek().filter(({ name, value }) => value === 0 && !named.has(name)),
    ]
    this.layers.value = layers
  }

  private async refreshLayers(): Promise<void> {
    // Counts are a courtesy: when they cannot be had now, the next save asks again.
    await this.refreshSchema().catch(() => undefined)
  }

  private listenForNetwork(): void {
    const online = (): void => void this.queue.flush()
    const leaving = (event: BeforeUnloadEvent): void => {
      if (!this.queue.durable.peek() && this.queue.waiting.peek() > 0) event.preventDefault()
    }
    window.addEventListener('online', online)
    window.addEventListener('beforeunload', leaving)
    this.stops.push(() => {
      window.removeEventListener('online', online)
      window.removeEventListener('beforeunload', leaving)
    })
  }

  private followView(): void {
    let timer: ReturnType<typeof setTimeout> | undefined
    this.stops.push(
      effect(() => {
        const view = this.view.view.value
        clearTimeout(timer)
        if (view) timer = setTimeout(() => void this.loader.update(view), SETTLE_MS)
      }),
      () => clearTimeout(timer),
    )
  }
}

/** Open a slide for this reader. */
export async function openWorkspace(slideId: string, session: Session): Promise<Workspace> {
  const [slide, db] = await Promise.all([getSlide(slideId), openPendingDb().catch(() => null)])
  const workspace = new Workspace(slide, session, db ?? memoryPendingDb())
  if (!db) workspace.queue.durable.value = false
  return workspace
}
