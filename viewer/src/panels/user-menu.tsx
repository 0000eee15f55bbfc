import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { leave, session } from '../store/session'
import { Menu } from './menu'

/** Who is signed in, and the way out. */
export function UserMenu(): JSX.Element | null {
  const problem = useSignal('')
  const who = session.value
  if (!who) return null
  const signOut = async (): Promise<void> => {
    problem.value = ''
    try {
      await leave()
    } catch (error) {
      problem.value = error instanceof Error ? error.message : ''
      return
    }
    location.assign('/sign-in')
  }
  return (
    <Menu button={who.user} title={`Signed in as ${who.user} (${who.role})`}>
      <p>
        {who.user} <span class="quiet">{who.role}</span>
      </p>
      <a href="/api/docs">API description</a>
      <button type="button" onClick={() => void signOut()}>
        Sign out
      </button>
      {problem.value !== '' && (
        <p class="note note-bad" role="alert">
          You are still signed in. {problem.value}
        </p>
      )}
    </Menu>
  )
}
