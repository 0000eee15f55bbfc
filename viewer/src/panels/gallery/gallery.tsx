import { type Signal, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Session } from '../../api/session'
import { formatCount, plural } from '../../model/format'
import { shareOf, stateText } from '../../model/job'
import { INGEST_PATH } from '../../model/url'
import type { Catalog } from '../../store/catalog'
import { droppedFiles, handedOver, hasFiles } from '../../store/dropped'
import { Brand, Message } from '../brand'
import { Icon } from '../icons'
import { Progress } from '../progress'
import { UserMenu } from '../user-menu'
import { Facets } from './facets'
import { SlideGrid, SlideTable } from './slides'

type Layout = 'grid' | 'table'

/** That scans are being brought in right now; the slides appear by themselves. */
function Incoming({ catalog }: { catalog: Catalog }): JSX.Element | null {
  const jobs = [...catalog.running.value.values()].filter(({ slides }) => slides.length === 0)
  const first = jobs.find(({ state }) => state === 'running') ?? jobs[0]
  if (!first) return null
  return (
    <a class="incoming" href={INGEST_PATH} data-testid="incoming">
      <span>
        <b>{plural(jobs.length, 'scan')} coming in</b> <span class="quiet">{stateText(first)}</span>
      </span>
      {first.state === 'running' && <Progress label="Done of the scan that is coming in" share={shareOf(first)} />}
    </a>
  )
}

function LayoutSwitch({ layout }: { layout: Signal<Layout> }): JSX.Element {
  const choice = (value: Layout, label: string): JSX.Element => (
    <button
      type="button"
      aria-pressed={layout.value === value}
      onClick={() => {
        layout.value = value
      }}
    >
      {label}
    </button>
  )
  return (
    <fieldset class="segments" aria-label="Layout">
      {choice('grid', 'Grid')}
      {choice('table', 'Table')}
    </fieldset>
  )
}

interface ContentProps {
  readonly catalog: Catalog
  readonly layout: Layout
  readonly canAdd: boolean
  readonly retry: () => void
}

function Content({ catalog, layout, canAdd, retry }: ContentProps): JSX.Element {
  const shown = catalog.shown.value
  if (catalog.state.value === 'failed') {
    return (
      <Message title="The slides could not be loaded.">
        <p>{catalog.failure.value}</p>
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      </Message>
    )
  }
  if (catalog.slides.value.length === 0) {
    if (catalog.state.value === 'loading') return <Message title="Loading slides…" />
    return (
      <Message title="No slides yet">
        <p>
          {canAdd ? 'Drop scans here, or bring in a folder of them: ' : 'Bring in a folder of scans: '}
          <code>pathserve ingest FOLDER</code>
        </p>
      </Message>
    )
  }
  if (shown.length === 0) return <Message title="No slide matches." />
  return layout === 'grid' ? (
    <SlideGrid slides={shown} catalog={catalog} />
  ) : (
    <SlideTable slides={shown} catalog={catalog} />
  )
}

interface GalleryProps {
  readonly catalog: Catalog
  readonly session: Session
  readonly goTo: (address: string) => void
}

export function Gallery({ catalog, session, goTo }: GalleryProps): JSX.Element {
  const layout = useSignal<Layout>('grid')
  const attempt = useSignal(0)
  const over = useSignal(false)
  useEffect(() => {
    document.title = 'Slides · PathServe'
    const abort = new AbortController()
    void catalog.load(abort.signal).then(() => catalog.follow(abort.signal, session.can_ingest))
    return () => abort.abort()
  }, [catalog, attempt.value])
  useEffect(() => {
    return session.can_see_originals ? catalog.originals.follow(catalog.search) : undefined
  }, [catalog, session.can_see_originals])
  const named = catalog.shown.value.filter(({ id }) => catalog.named.value.has(id)).length

  return (
    <div class="page gallery">
      <header class="top-bar">
        <Brand crumbs={[{ label: 'Slides' }]} />
        <div class="top-tools">
          <label class="search">
            <Icon name="search" size={15} />
            <input
              type="search"
              placeholder="Search name, case, stain…"
              aria-label="Search slides"
              // What is typed can name a person: browsers shall neither keep it nor send it to a spelling service.
              autocomplete="off"
              spellcheck={false}
              value={catalog.search.value}
              onInput={(event) => {
                catalog.search.value = event.currentTarget.value
              }}
            />
          </label>
          <LayoutSwitch layout={layout} />
          {session.can_ingest && (
            <a class="button add-slides" href={INGEST_PATH}>
              <Icon name="upload" size={15} />
              Add slides
            </a>
          )}
          <UserMenu />
        </div>
      </header>
      <Facets catalog={catalog} />
      <main
        class={over.value ? 'slides drop-over' : 'slides'}
        aria-busy={catalog.state.value === 'loading'}
        onDragOver={(event) => {
          if (!session.can_ingest || !hasFiles(event)) return
          event.preventDefault()
          over.value = true
        }}
        onDragLeave={() => {
          over.value = false
        }}
        onDrop={(event) => {
          if (!session.can_ingest || !hasFiles(event)) return
          event.preventDefault()
          handedOver.value = droppedFiles(event.dataTransfer)
          goTo(INGEST_PATH)
        }}
      >
        <h1 class="visually-hidden">Slides</h1>
        <p class="visually-hidden" role="status">
          {plural(catalog.shown.value.length, 'slide')}
          {named > 0 && `, ${formatCount(named)} by original name`}
        </p>
        {catalog.originals.caveat.value !== '' && (
          <p class="caveat quiet" role="status">
            {catalog.originals.caveat.value}
          </p>
        )}
        <Incoming catalog={catalog} />
        <Content catalog={catalog} layout={layout.value} canAdd={session.can_ingest} retry={() => attempt.value++} />
      </main>
    </div>
  )
}
