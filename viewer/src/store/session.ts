/** Who is signed in; every page asks once. */
import { signal } from '@preact/signals'
import { writeAs } from '../api/http'
import { getSession, type Session, signOut } from '../api/session'

export const session = signal<Session | null>(null)

export async function loadSession(): Promise<Session> {
  const loaded = session.peek() ?? (await getSession())
  session.value = loaded
  writeAs(loaded.user)
  return loaded
}

export async function leave(): Promise<void> {
  await signOut()
  session.value = null
  writeAs(null)
}
