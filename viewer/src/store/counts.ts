/** How many objects the slide has, by class and layer: the server's counts, and what the reader has changed since. */
import { computed, signal } from '@preact/signals'
import type { ClassCount } from '../model/picked'
import type { AnnotationStore } from './annotations'
import type { GroupView } from './group-view'
import type { Touched } from './touched'

export class Counts {
  readonly state = signal<'loading' | 'ready' | 'failed'>('loading')
  /** Objects by class (null: none) and layer. */
  readonly all = computed<readonly ClassCount[]>(() => {
    void this.objects.version.value
    const { counts, edition } = this.told.value
    const own = this.touched.difference(edition, (id) => this.objects.get(id))
    return [...counts, ...own, ...(this.groups?.difference(edition, this.touched.numbers()) ?? [])]
  })
  readonly total = computed(() => this.sum(() => true))
  /** Whether the tiles have any object. */
  readonly any = computed(() => this.told.value.counts.length > 0)
  private readonly told = signal<{ readonly counts: readonly ClassCount[]; readonly edition: number }>({
    counts: [],
    edition: 0,
  })

  constructor(
    private readonly objects: AnnotationStore,
    private readonly touched: Touched,
    private readonly groups: GroupView | null = null,
  ) {}

  /** Number of objects of one class; null counts those without a class. */
  ofClass(name: string | null): number {
    return this.sum(({ className }) => className === name)
  }

  ofLayer(name: string): number {
    return this.sum(({ layer }) => layer === name)
  }

  /** The edition of the tiles that was counted; 0: none yet. */
  get edition(): number {
    return this.told.peek().edition
  }

  /** They cannot be had. */
  fail(): void {
    this.state.value = 'failed'
  }

  /** Counts as they are in tiles of an edition. */
  tell(counts: readonly ClassCount[], edition: number): void {
    if (edition < this.told.peek().edition) return
    this.told.value = { counts, edition }
    this.state.value = 'ready'
  }

  private sum(of: (entry: ClassCount) => boolean): number {
    return this.all.value.reduce((sum, entry) => sum + (of(entry) ? entry.count : 0), 0)
  }
}
