/** Entry of `/` and `/slides/{id}`: who is signed in, which page, and links that stay in the page. */
import { signal } from '@preact/signals'
import { type ComponentType, type JSX, render } from 'preact'
import { onSignedOut } from './api/http'
import type { Session } from './api/session'
import { expectSlide } from './api/slides'
import { parseRoute, type Route, signInPath } from './model/url'
import { Message } from './panels/brand'
import { Gallery } from './panels/gallery/gallery'
import { Catalog } from './store/catalog'
import { loadSession, session } from './store/session'
import './style/base.css'
import './style/gallery.css'

type SlidePageType = ComponentType<{ id: string; session: Session }>
type IngestPageType = ComponentType<{ session: Session; catalog: Catalog }>

const route = signal<Route>(parseRoute(location.pathname))
const slidePage = signal<SlidePageType | null>(null)
const ingestPage = signal<IngestPageType | null>(null)
const failure = signal('')
/** Outlives the gallery page, so that its filters are there again on the way back. */
const catalog = new Catalog()

async function loadSlidePage(): Promise<void> {
  const { SlidePage } = await import('./slide-page')
  slidePage.value = SlidePage
}

async function loadIngestPage(): Promise<void> {
  const { IngestPage } = await import('./ingest-page')
  ingestPage.value = IngestPage
}

/** What waits to be saved stays in its database; after signing in the slide's page sends it. */
function goToSignIn(): void {
  const next = location.pathname + location.search
  location.assign(signInPath(next, session.peek() !== null))
}

function follow(next: Route): void {
  route.value = next
  if (next.page === 'slide') expectSlide(next.id)
  if (next.page === 'slide' && !slidePage.peek()) loadSlidePage().catch(fail)
  if (next.page === 'ingest' && !ingestPage.peek()) loadIngestPage().catch(fail)
}

function fail(error: unknown): void {
  failure.value = error instanceof Error ? error.message : 'The page could not be loaded.'
}

/** Follow links between our own pages without loading everything anew. */
function onClick(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (link?.target !== '' || link.origin !== location.origin) return
  const next = parseRoute(link.pathname)
  if (next.page === 'gallery' && link.pathname !== '/') return
  event.preventDefault()
  goTo(link.href)
}

function goTo(address: string): void {
  history.pushState(null, '', address)
  follow(parseRoute(location.pathname))
}

function App(): JSX.Element {
  const who = session.value
  const now = route.value
  if (failure.value !== '') {
    return (
      <Message title="PathServe cannot be reached.">
        <p>{failure.value}</p>
        <button type="button" class="button" onClick={() => location.reload()}>
          Try again
        </button>
      </Message>
    )
  }
  if (who && now.page === 'gallery') return <Gallery catalog={catalog} session={who} goTo={goTo} />
  const Page = slidePage.value
  if (who && Page && now.page === 'slide') return <Page key={now.id} id={now.id} session={who} />
  const Adding = ingestPage.value
  if (who && Adding && now.page === 'ingest') return <Adding session={who} catalog={catalog} />
  return <Message title="Loading…" />
}

onSignedOut(goToSignIn)
document.addEventListener('click', onClick)
window.addEventListener('popstate', () => follow(parseRoute(location.pathname)))
follow(route.peek())
loadSession().catch(fail)
const root = document.getElementById('app')
if (root) render(<App />, root)
