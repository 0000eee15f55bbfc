import { type Signal, useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { ApiError, requestBlob } from '../../api/http'
import { associatedUrl } from '../../model/slide'
import type { Workspace } from '../../store/workspace'

const NAMES = ['label', 'macro'] as const

interface Picture {
  /** Address of the picture in this page's memory, or null when there is none. */
  readonly url: string | null
  readonly said: string
}

async function load(workspace: Workspace, name: (typeof NAMES)[number], signal: AbortSignal): Promise<Picture> {
  try {
    const blob = await requestBlob(associatedUrl(workspace.slide.peek(), name), signal)
    return { url: URL.createObjectURL(blob), said: '' }
  } catch (error) {
    const gone = error instanceof ApiError && error.status === 404
    return { url: null, said: gone ? 'was not kept' : 'cannot be loaded now' }
  }
}

/** Label and macro, shown only when somebody asks for them: they can name a patient to whoever looks on. */
export function Associated({ workspace }: { workspace: Workspace }): JSX.Element {
  const open = useSignal(false)
  const pictures: Readonly<Record<string, Signal<Picture | null>>> = {
    label: useSignal<Picture | null>(null),
    macro: useSignal<Picture | null>(null),
  }
  useEffect(() => {
    if (!open.value) return
    const abort = new AbortController()
    for (const name of NAMES) {
      void load(workspace, name, abort.signal).then((picture) => {
        const held = pictures[name]
        if (held && !abort.signal.aborted) held.value = picture
        else if (picture.url !== null) URL.revokeObjectURL(picture.url)
      })
    }
    return () => {
      abort.abort()
      for (const held of Object.values(pictures)) {
        const url = held.peek()?.url
        if (url) URL.revokeObjectURL(url)
        held.value = null
      }
    }
  }, [open.value, workspace])
  return (
    <section class="panel-section" aria-labelledby="associated-heading">
      <h2 id="associated-heading">Label and macro</h2>
      <div class="associated">
        <button
          type="button"
          class="button"
          aria-expanded={open.value}
          onClick={() => {
            open.value = !open.value
          }}
        >
          {open.value ? 'Hide' : 'Show label and macro'}
        </button>
        {open.value &&
          NAMES.map((name) => {
            const picture = pictures[name]?.value
            if (!picture) return <p key={name} class="quiet">{`Loading the ${name}…`}</p>
            if (picture.url === null) return <p key={name} class="quiet">{`The ${name} ${picture.said}.`}</p>
            return (
              <figure key={name}>
                <img src={picture.url} alt={`The ${name}, as scanned`} data-testid={`associated-${name}`} />
                <figcaption class="quiet">{name}</figcaption>
              </figure>
            )
          })}
      </div>
    </section>
  )
}
