/** Entry of `/sign-in`: trades the code of a one-time link for a session. */
import { signal } from '@preact/signals'
import { type JSX, render, type TargetedSubmitEvent } from 'preact'
import { signIn } from './api/session'
import { codeOf, hasEnded, safeNext } from './model/url'
import { keepsEdits } from './store/pending-db'
import './style/base.css'
import './style/sign-in.css'

const busy = signal(false)
const failure = signal('')
const ended = hasEnded(location.search)
/** Whether edits that the server does not have lie in this browser. */
const kept = signal(false)

async function enter(code: string): Promise<void> {
  busy.value = true
  failure.value = ''
  try {
    await signIn(code)
    location.replace(safeNext(new URLSearchParams(location.search).get('next')))
  } catch (error) {
    failure.value = error instanceof Error ? error.message : 'Signing in failed.'
    busy.value = false
  }
}

function submit(event: TargetedSubmitEvent<HTMLFormElement>): void {
  event.preventDefault()
  const code = codeOf(String(new FormData(event.currentTarget).get('code') ?? ''))
  if (code !== '') void enter(code)
}

function Page(): JSX.Element {
  return (
    <main class="sign-in">
      <h1>PathServe</h1>
      {(ended || kept.value) && (
        <p class="note" role="status" data-testid="session-ended">
          {ended && 'Your session has ended. '}
          {kept.value &&
            'Edits that are not saved yet are kept in this browser; they are sent when whoever made them signs in and opens the slide again.'}
        </p>
      )}
      {busy.value ? (
        <p role="status">Signing in…</p>
      ) : (
        <form onSubmit={submit}>
          {failure.value !== '' && (
            <p class="note note-bad" role="alert">
              {failure.value}
            </p>
          )}
          <label for="code">Sign-in link or code</label>
          <input id="code" name="code" required autocomplete="one-time-code" spellcheck={false} />
          <button type="submit" class="button button-primary">
            Sign in
          </button>
          <p class="quiet">
            A link works once. The server's operator makes a new one with <code>pathserve user link NAME</code>.
          </p>
        </form>
      )}
    </main>
  )
}

/** Take the code out of the address at once, so that it stays in no history and no screenshot. */
const code = codeOf(location.hash)
if (code !== '') {
  history.replaceState(null, '', location.pathname + location.search)
  void enter(code)
}
keepsEdits().then(
  (keeps) => {
    kept.value = keeps
  },
  // A browser that keeps no database keeps no edits.
  () => undefined,
)
const root = document.getElementById('app')
if (root) render(<Page />, root)
