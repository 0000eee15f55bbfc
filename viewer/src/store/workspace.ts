/** One open slide: its facts, classes, layers, objects, save queue, and what the reader does with them. */
import { computed, effect, type Signal, signal } from '@preact/signals'
import { currentRevision, getAnnotation } from '../api/annotations'
import type { SlideChange } from '../api/events'
import type { Session } from '../api/session'
import { getClasses, getLayers, getSlide, renameSlide } from '../api/slides'
import { type AnnotationClass, classNameOf, type LayerInfo, newClass, paletteHotkeys } from '../model/annotation-class'
import type { Feature, FeatureProperties, Position } from '../model/geojson'
import { type Box, boundsOf, type Mpp, unionOf } from '../model/geometry'
import { type GroupAction, groupAfter } from '../model/group-edit'
import type { ObjectStyle } from '../model/object-style'
import type { Group } from '../model/picked'
import { mppOf, type Slide } from '../model/slide'
import { viewBox } from '../model/view'
import { AnnotationStore } from './annotations'
import { followBuilding } from './building'
import { Company, tabStorage } from './company'
import { Counts } from './counts'
import { Deletions } from './deletions'
import { Display } from './display'
import { Editor } from './editor'
import { GroupEditor } from './group-editor'
import { Interaction } from './interaction'
import { LayerDesk } from './layer-desk'
import { LeftBehind } from './left-behind'
import { Live } from './live'
import type { ObjectReader } from './object-reader'
import { ObjectTable } from './object-table'
import { memoryPendingDb, openPendingDb, type PendingDb } from './pending-db'
import { Picking } from './picking'
import { SaveQueue } from './queue'
import { RowChoice } from './row-choice'
import { Touched } from './touched'
import { ViewStore } from './view'

/** The same list each time: tiles are painted anew only for another one. */
const NONE: readonly number[] = []

export class Workspace {
  readonly slide: Signal<Slide>
  readonly classes = signal<readonly AnnotationClass[]>([])
  readonly layers = signal<readonly LayerInfo[]>([])
  readonly classMap = computed(() => new Map(this.classes.value.map((entry) => [entry.name, entry])))
  readonly hotkeys = computed(() => paletteHotkeys(this.classes.value))
  /** Counts the times that more of the slide may have become available. */
  readonly rebuilt = signal(0)
  /** Objects that somebody touches; all others are in tiles alone. */
  readonly objects = new AnnotationStore()
  readonly touched = new Touched()
  readonly counts: Counts
  readonly live: Live
  readonly picking: Picking
  /** How objects look in their tiles. */
  readonly objectStyle = computed<ObjectStyle>(() => this.styleNow())
  readonly view = new ViewStore()
  readonly display: Display
  readonly interaction = new Interaction()
  readonly queue: SaveQueue
  readonly editor: Editor
  readonly groups: GroupEditor
  readonly deletions: Deletions
  /** The layer that new objects go to; null: the reader's own. */
  readonly targetLayer = signal<string | null>(null)
  readonly layerDesk: LayerDesk
  readonly company: Company
  readonly table: ObjectTable
  readonly tableChoice: RowChoice
  private readonly leftBehind: LeftBehind
  private reader: ObjectReader | null = null
  private shownEdition = 0
  private readonly stops: (() => void)[] = []

  constructor(
    slide: Slide,
    readonly session: Session,
    db: PendingDb,
  ) {
    this.slide = signal(slide)
    this.display = new Display(slide)
    void this.display.load()
    this.live = new Live(slide.id)
    this.queue = new SaveQueue(session.user, slide.id, db, (...saved) => this.saved(...saved))
    this.editor = new Editor(this.objects, this.queue, this.touched)
    this.editor.tookTheirs = (id, feature, revision) => this.noted(id, feature, revision)
    this.groups = new GroupEditor(this.editor, this.queue, this.live)
    this.counts = new Counts(this.objects, this.touched, this.groups.view)
    this.deletions = new Deletions(slide.id, this.groups)
    const { objects, touched, interaction, queue, visible } = this
    this.picking = new Picking({ slide: slide.id, objects, touched, interaction, queue, visible })
    const { layers, targetLayer: target } = this
    this.layerDesk = new LayerDesk({ slide: slide.id, layers, interaction, target })
    this.company = new Company(slide.id, session.user, tabStorage())
    const { company, editor, groups } = this
    const who = { user: session.user, slide: slide.id, name: company.client }
    this.leftBehind = new LeftBehind({ ...who, queue, editor, groups, touched })
    this.table = new ObjectTable({
      slide: slide.id,
      mpp: () => this.mpp,
      view: this.view.view,
      edition: this.live.edition,
    })
    const { table } = this
    this.tableChoice = new RowChoice({
      interaction,
      rows: table.rows,
      whole: () => table.whole(),
      tell: (text) => {
        editor.notice.value = text
      },
      goTo: (id) => this.goTo(id),
    })
    this.groups.became = (fates) => {
      const { group } = interaction
      if (group.peek()) group.value = groupAfter(group.peek() as Group, fates)
      table.became(fates)
    }
  }

  /** Connect with what can read objects out of their tiles. */
  attach(reader: ObjectReader | null): void {
    this.reader = reader
    this.picking.attach(reader)
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

  /** Reviewers and administrators may change the classes of the project. */
  get canEditClasses(): boolean {
    return this.canRename
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

  /** Whether an object is shown: its layer and class are, and objects are at all. */
  readonly visible = (feature: Feature): boolean => {
    const { hiddenLayers, hiddenClasses, showObjects } = this.interaction
    if (!showObjects.value || hiddenClasses.value.has(classNameOf(feature) ?? '')) return false
    return !hiddenLayers.value.has(feature.properties.layer ?? '')
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

  /** Give the selected object, or all that were chosen together, another class. */
  classifySelected(name: string | null): void {
    const group = this.interaction.group.peek()
    if (group) {
      this.editGroup(group, { className: name })
      return
    }
    if (this.once(() => this.classifySelected(name))) return
    const feature = this.selected()
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
    const group = this.interaction.group.peek()
    if (group) {
      this.editGroup(group, 'delete')
      return
    }
    if (this.once(() => this.deleteSelected())) return
    const feature = this.selected()
    if (!feature || !this.mayEdit(feature)) return
    this.editor.delete(feature.id)
    this.interaction.selection.value = null
    this.interaction.hover.value = null
  }

  /** Change members of the selected object's properties; undefined takes one away. */
  describeSelected(members: Partial<FeatureProperties>): void {
    const feature = this.selected()
    if (feature && this.mayEdit(feature)) this.editor.describe(feature.id, members)
  }

  /** Make the selected object again what an earlier version of it says; it stays on its layer. */
  restoreVersion(version: Feature): void {
    const feature = this.selected()
    if (!feature || feature.id !== version.id || !this.mayEdit(feature)) return
    const { layer, revision, number } = feature.properties
    const own = Object.fromEntries(
      Object.entries({ layer, revision, number }).filter(([, value]) => value !== undefined),
    )
    this.editor.restore({ ...version, properties: { ...version.properties, ...own } })
  }

  /** Bring a place into view. */
  show(box: Box | null): void {
    if (box) this.view.jump({ x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2 })
  }

  /** Select an object and bring it into view. */
  async goTo(id: string): Promise<void> {
    const feature = await this.picking.hold(id)
    if (!feature) return
    const [x0, y0, x1, y1] = boundsOf(feature.geometry)
    this.interaction.selection.value = id
    this.view.jump({ x: (x0 + x1) / 2, y: (y0 + y1) / 2 })
  }

  /** Select the next (or previous) object on the screen in reading order. */
  async step(by: 1 | -1): Promise<void> {
    const view = this.view.view.peek()
    if (view) await this.picking.step(viewBox(view), by)
  }

  /** Select all objects within a ring of level-0 points; too large a ring is refused in words. */
  async selectWithin(ring: readonly Position[]): Promise<void> {
    const found = await this.picking.selectWithin(ring).catch(() => null)
    if (found === null) this.editor.notice.value = 'That is too much to be looked through: zoom in and select less.'
  }

  /** Start showing and saving; resolves when it is known how many objects there are, or that it cannot be known. */
  async start(): Promise<void> {
    this.stops.push(this.leftBehind.follow(window), followBuilding(this.slide, this.rebuilt))
    await this.leftBehind.restore()
    await this.load()
    this.interaction.activeClass.value = this.classes.peek()[0]?.name ?? null
    this.holdSelection()
    this.stops.push(
      effect(() => {
        if (this.live.edition.value > 0) void this.count()
      }),
      this.live.follow(
        window.document,
        (change) => void this.told(change),
        () => void this.catchUp(),
        (items) => this.company.tell(items),
      ),
      this.company.announce(this.view.view, window.document),
    )
    await this.counted()
  }

  /** Ask for classes, layers and objects again. */
  async reload(): Promise<void> {
    const { edition } = this.live
    const before = edition.peek()
    await this.load()
    // Where nothing is new nothing is counted by itself.
    if (edition.peek() > 0 && edition.peek() === before) await this.count()
  }

  /** Tiles of the current edition are on the screen, all of them. */
  shown(edition: number): void {
    this.shownEdition = edition
    this.settle()
  }

  dispose(): void {
    for (const stop of this.stops) stop()
    this.live.dispose()
    this.queue.dispose()
  }

  /** Do something once what was just selected has come; false when nothing is on its way. */
  private once(work: () => void): boolean {
    const awaited = this.interaction.preview.peek()
    if (!awaited) return false
    void this.picking.chosen.then(() => {
      // Without a connection it is there as a group of one.
      const { numbers = [] } = this.interaction.group.peek() ?? {}
      const number = this.selected()?.properties.number ?? (numbers.length === 1 ? numbers[0] : null)
      if (number === awaited.number) work()
    })
    return true
  }

  private selected(): Feature | undefined {
    return this.objects.get(this.interaction.selection.peek() ?? '')
  }

  /** Give all that were chosen together another state. */
  giveChosenState(state: string): void {
    const group = this.interaction.group.peek()
    if (group) this.editGroup(group, { state })
  }

  private editGroup(group: Group, action: GroupAction): void {
    if (!this.canAnnotate || this.groups.edit(group, action) === 0) return
    this.interaction.hover.value = null
  }

  private async load(): Promise<void> {
    try {
      const [revision] = await Promise.all([currentRevision(this.slide.peek().id), this.refreshSchema()])
      this.live.begin(revision)
      if (revision > 0) this.queue.told(revision)
    } catch {
      this.counts.fail()
    }
  }

  /** What both the tiles on the screen and the counts know needs nobody else to show it. */
  private settle(): void {
    const edition = Math.min(this.shownEdition, this.counts.edition)
    this.touched.settle(edition)
    this.groups.view.settle(edition)
  }

  /** Show what has happened while nobody told. */
  private async catchUp(): Promise<void> {
    const revision = await currentRevision(this.slide.peek().id).catch(() => 0)
    if (revision > this.live.newest) this.live.begin(revision)
  }

  /** Count anew, and ask for classes and layers, which may have changed with the objects. */
  private async count(): Promise<void> {
    const edition = this.live.edition.peek()
    if (edition > 1) void this.refreshSchema().catch(() => undefined)
    try {
      const counts = await this.reader?.counts()
      if (counts) this.counts.tell(counts, edition)
      this.settle()
    } catch {
      this.counts.fail()
    }
  }

  /** Resolves when counts have come, or cannot be had. */
  private counted(): Promise<void> {
    return new Promise((resolve) => {
      const stop = this.counts.state.subscribe((state) => {
        if (state === 'loading') return
        resolve()
        queueMicrotask(() => stop())
      })
    })
  }

  private styleNow(): ObjectStyle {
    const { hiddenLayers, hiddenClasses, fillObjects, group } = this.interaction
    return {
      colors: Object.fromEntries(this.classes.value.map(({ name, color }) => [name, color])),
      filled: fillObjects.value,
      hiddenLayers: [...hiddenLayers.value],
      hiddenClasses: [...hiddenClasses.value],
      drawnElsewhere: this.touched.drawnElsewhere(this.live.edition.value),
      chosen: group.value?.numbers ?? NONE,
      ...this.groups.view.behindOf(this.live.edition.value),
    }
  }

  /** The server has an object as the reader wants it. */
  private saved(id: string, feature: Feature | null, note: string, revision: number | null): void {
    this.noted(id, feature, revision)
    this.editor.saved(id, feature, note)
    if (feature) this.table.show(feature)
  }

  /** An object is like this on the server: tiles that show it so are asked for. */
  private noted(id: string, feature: Feature | null, revision: number | null): void {
    const { overtaken } = this.interaction
    if (overtaken.peek()?.id === id) overtaken.value = null
    if (revision === null) {
      this.touched.drop(id)
      return
    }
    const before = this.touched.before(id)
    const places = [before, feature].flatMap((form) => (form ? [boundsOf(form.geometry)] : []))
    // Where an object was that an earlier visit has changed is not known before the server has told it.
    const box = places.length > 0 ? unionOf(places) : null
    this.touched.saved(id, feature, this.live.note(revision, box))
  }

  /** Somebody has changed objects: the selected one stays as the reader knows it, and says so. */
  private async told(change: SlideChange): Promise<void> {
    this.company.note(change)
    const { revision, author, ids, isDeletion: isGone = false } = change
    const id = this.interaction.selection.peek()
    const basis = id === null ? null : this.queue.basisOf(id)
    if (id === null || basis === null || basis >= revision || this.touched.has(id)) return
    // Of a change of many the server does not name them all.
    const named = ids?.includes(id) ?? (await this.revisionOf(id)) !== basis
    if (named && this.interaction.selection.peek() === id) {
      this.interaction.overtaken.value = { id, author, revision, isGone }
    }
  }

  private async revisionOf(id: string): Promise<number | null> {
    const stored = await getAnnotation(id).catch(() => null)
    return stored?.revision ?? null
  }

  /** Show the selected object as it is now. */
  async refreshSelected(): Promise<void> {
    const id = this.interaction.selection.peek()
    this.interaction.overtaken.value = null
    if (id === null || this.touched.has(id)) return
    this.objects.remove(id)
    if (!(await this.picking.hold(id))) this.interaction.selection.value = null
  }

  /** The selected object is held, and others only as long as the tiles do not show them as they are. */
  private holdSelection(): void {
    const { selection, overtaken } = this.interaction
    this.stops.push(
      effect(() => {
        const id = selection.value
        if (overtaken.peek()?.id !== id) overtaken.value = null
        if (id === null || this.objects.get(id) || this.touched.has(id)) return
        void this.picking.hold(id).then((feature) => {
          if (!feature && selection.peek() === id) selection.value = null
        })
      }),
      effect(() => {
        const [touches, pending, id] = [this.touched.touches.value, this.queue.pending.value, selection.value]
        this.objects.prune((held) => held === id || touches.has(held) || pending.has(held))
      }),
    )
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
}

/** Open a slide for this reader. */
export async function openWorkspace(slideId: string, session: Session): Promise<Workspace> {
  const [slide, db] = await Promise.all([getSlide(slideId), openPendingDb().catch(() => null)])
  const workspace = new Workspace(slide, session, db ?? memoryPendingDb())
  if (!db) workspace.queue.durable.value = false
  return workspace
}
