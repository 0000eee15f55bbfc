import { type Signal, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { formatCount, plural } from '../../model/format'
import type { Catalog } from '../../store/catalog'
import { Brand, Message } from '../brand'
import { Icon } from '../icons'
import { UserMenu } from '../user-menu'
import { SlideGrid, SlideTable } from './slides'

type Layout = 'grid' | 'table'

function Facets({ catalog }: { catalog: Catalog }): JSX.Element {
  const facet = (name: string | null, label: string, count: number): JSX.Element => (
    <li key={label}>
      <button
        type="button"
        class="facet"
        aria-pressed={catalog.project.value === name}
        onClick={() => {
          catalog.project.value = name
        }}
      >
        <span class="clip">{label}</span>
        <span class="count">{formatCount(count)}</span>
      </button>
    </li>
  )
  return (
    <nav class="facets" aria-label="Projects">
      <h2>Project</h2>
      <ul>
        {facet(null, 'All slides', catalog.slides.value.length)}
        {catalog.projects.value.map(([name, count]) => facet(name, name, count))}
      </ul>
    </nav>
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

function Content({ catalog, layout, retry }: { catalog: Catalog; layout: Layout; retry: () => void }): JSX.Element {
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
          Bring in a folder of scans: <code>pathserve ingest FOLDER</code>
        </p>
      </Message>
    )
  }
  if (shown.length === 0) return <Message title="No slide matches." />
  return layout === 'grid' ? <SlideGrid slides={shown} /> : <SlideTable slides={shown} />
}

export function Gallery({ catalog }: { catalog: Catalog }): JSX.Element {
  const layout = useSignal<Layout>('grid')
  const attempt = useSignal(0)
  useEffect(() => {
    document.title = 'Slides · PathServe'
    const abort = new AbortController()
    void catalog.load(abort.signal)
    return () => abort.abort()
  }, [catalog, attempt.value])

  return (
    <div class="page gallery">
      <header class="top-bar">
        <Brand crumbs={[{ label: 'Slides' }]} />
        <div class="top-tools">
          <label class="search">
            <Icon name="search" size={15} />
            <input
              type="search"
              placeholder="Search name, project…"
              aria-label="Search slides"
              value={catalog.search.value}
              onInput={(event) => {
                catalog.search.value = event.currentTarget.value
              }}
            />
          </label>
          <LayoutSwitch layout={layout} />
          <UserMenu />
        </div>
      </header>
      <Facets catalog={catalog} />
      <main class="slides" aria-busy={catalog.state.value === 'loading'}>
        <h1 class="visually-hidden">Slides</h1>
        <p class="visually-hidden" role="status">
          {plural(catalog.shown.value.length, 'slide')}
        </p>
        <Content catalog={catalog} layout={layout.value} retry={() => attempt.value++} />
      </main>
    </div>
  )
}
