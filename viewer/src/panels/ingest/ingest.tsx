import { effect, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { type ChosenFile, groupScans } from '../../model/scan-files'
import { droppedFiles, handedOver, hasFiles } from '../../store/dropped'
import type { Jobs } from '../../store/jobs'
import type { Uploads } from '../../store/uploads'
import { Brand } from '../brand'
import { UserMenu } from '../user-menu'
import { DropZone } from './drop-zone'
import { JobList } from './job-list'
import { UnfinishedList } from './unfinished-list'
import { UploadList } from './upload-list'

interface Props {
  readonly uploads: Uploads
  readonly jobs: Jobs
  readonly projects: readonly string[]
}

const ANOTHER = 'This is another file, or it has changed: it is sent from its beginning.'

function follow(uploads: Uploads, jobs: Jobs): void {
  const listed = new Set(jobs.shown.value.map(({ id }) => id))
  if (uploads.items.value.some(({ phase }) => phase.value === 'done')) uploads.dropListed(listed)
}

/** The page where administrators bring scans in and see what becomes of them. */
export function Ingest({ uploads, jobs, projects }: Props): JSX.Element {
  const project = useSignal('')
  const note = useSignal('')
  const over = useSignal(false)
  const take = async (coming: Promise<ChosenFile[]>, again = false): Promise<void> => {
    note.value = ''
    try {
      const scans = groupScans(await coming)
      if (scans.length === 0) note.value = 'There was no file in it.'
      const known = uploads.add(scans, project.peek().trim() || 'default')
      if (again && known < scans.length) note.value = ANOTHER
    } catch (error) {
      note.value = error instanceof Error ? error.message : 'These files cannot be read.'
    }
  }
  useEffect(() => {
    document.title = 'Add slides · PathServe'
    const coming = handedOver.peek()
    handedOver.value = null
    if (coming) void take(coming)
    return jobs.follow()
  }, [jobs])
  // What has become a job goes on in its row there.
  useEffect(() => effect(() => follow(uploads, jobs)), [uploads, jobs])
  const leaving = uploads.active.value
  useEffect(() => {
    if (!leaving) return
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault()
    window.addEventListener('beforeunload', ask)
    return () => window.removeEventListener('beforeunload', ask)
  }, [leaving])

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dragging is an extra way in; the buttons inside do the same
    <div
      class="page ingest"
      onDragOver={(event) => {
        if (!hasFiles(event)) return
        event.preventDefault()
        over.value = true
      }}
      onDragLeave={(event) => {
        if (!(event.relatedTarget instanceof Node && event.currentTarget.contains(event.relatedTarget)))
          over.value = false
      }}
      onDrop={(event) => {
        if (!hasFiles(event)) return
        event.preventDefault()
        over.value = false
        void take(droppedFiles(event.dataTransfer))
      }}
    >
      <header class="top-bar">
        <Brand crumbs={[{ label: 'Slides', href: '/' }, { label: 'Add slides' }]} />
        <div class="top-tools">
          <UserMenu />
        </div>
      </header>
      <main class="ingest-main">
        <div class="ingest-content">
          <h1 class="visually-hidden">Add slides</h1>
          <DropZone over={over.value} onFiles={(files) => void take(files)}>
            <label class="ingest-project">
              <span class="quiet">Into the project</span>
              <input
                list="projects"
                placeholder="default"
                maxLength={200}
                value={project.value}
                onInput={(event) => {
                  project.value = event.currentTarget.value
                }}
              />
              <datalist id="projects">
                {projects.map((name) => (
                  <option key={name} value={name} />
                ))}
              </datalist>
            </label>
          </DropZone>
          {note.value !== '' && (
            <p class="note note-warn" role="alert">
              {note.value}
            </p>
          )}
          <UnfinishedList uploads={uploads} onFiles={(files) => void take(files, true)} />
          <UploadList uploads={uploads} />
          <JobList jobs={jobs} />
        </div>
      </main>
    </div>
  )
}
