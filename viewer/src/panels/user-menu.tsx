import type { JSX } from 'preact'
import { leave, session } from '../store/session'

/** Who is signed in, and the way out. */
export function UserMenu(): JSX.Element | null {
  const who = session.value
  if (!who) return null
  const signOut = async (): Promise<void> => {
    await leave()
    location.assign('/sign-in')
  }
  return (
    <details class="user-menu">
      <summary class="pill" title={`Signed in as ${who.user} (${who.role})`}>
        {who.user}
      </summary>
      <div class="menu">
        <p>
          {who.user} <span class="quiet">{who.role}</span>
        </p>
        <a href="/api/docs">API description</a>
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      </div>
    </details>
  )
}
