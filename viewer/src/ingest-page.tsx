/** The page where administrators add slides; its uploads go on while the tab shows other pages. */
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import type { Session } from './api/session'
import { NO_PROJECT } from './model/facets'
import { Message } from './panels/brand'
import { Ingest } from './panels/ingest/ingest'
import type { Catalog } from './store/catalog'
import { Jobs } from './store/jobs'
import { Uploads } from './store/uploads'
import './style/ingest.css'

const uploadsOf = new Map<string, Uploads>()
const jobs = new Jobs()

function uploadsFor(user: string): Uploads {
  const uploads = uploadsOf.get(user) ?? new Uploads(user)
  uploadsOf.set(user, uploads)
  return uploads
}

export function IngestPage({ session, catalog }: { session: Session; catalog: Catalog }): JSX.Element {
  useEffect(() => {
    const abort = new AbortController()
    // Its projects are offered; on the way from the gallery they are known already.
    if (catalog.state.peek() !== 'ready') void catalog.load(abort.signal)
    return () => abort.abort()
  }, [catalog])
  if (!session.can_ingest) {
    return (
      <Message title="Only administrators add slides.">
        <a class="button" href="/">
          All slides
        </a>
      </Message>
    )
  }
  const projects = catalog.projects.value.map(([name]) => name).filter((name) => name !== NO_PROJECT)
  return <Ingest uploads={uploadsFor(session.user)} jobs={jobs} projects={projects} />
}
