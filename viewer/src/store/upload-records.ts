/** What this browser remembers of unfinished uploads, so that the same files chosen again go on where they were. */

export interface UploadRecord {
  readonly user: string
  readonly project: string
  /** Number of files, and bytes of all of them. */
  readonly count: number
  readonly total: number
  /** Bytes that had gone when this was written. */
  readonly sent: number
  /** Address of an upload of one file. */
  readonly url?: string
  /** What this browser calls a set. */
  readonly set?: string
  /** Files of a set by their hashed names: where each one goes on, or true when it is complete. */
  readonly files: Readonly<Record<string, string | true>>
  readonly saved: number
}

/** An upload that this browser began and that no page goes on with. */
export interface Unfinished {
  readonly fingerprint: string
  readonly record: UploadRecord
  /** What the file is called, when it was chosen in this very tab. */
  readonly label: string | null
}

const PREFIX = 'pathserve-upload-'
const JOB = 'job-'
/** The server has thrown an upload away by then. */
const KEEP_MS = 7 * 24 * 3600 * 1000

function parse(text: string | null): UploadRecord | null {
  try {
    const found: unknown = JSON.parse(text ?? 'null')
    const parts = ['saved', 'files', 'user', 'total', 'sent']
    if (typeof found !== 'object' || found === null || !parts.every((part) => part in found)) return null
    return found as UploadRecord
  } catch {
    return null
  }
}

export function loadRecord(fingerprint: string): UploadRecord | null {
  const record = parse(localStorage.getItem(PREFIX + fingerprint))
  return record && Date.now() - record.saved < KEEP_MS ? record : null
}

/** Best effort: a browser that keeps nothing sends from the start after a reload. */
export function saveRecord(fingerprint: string, record: Omit<UploadRecord, 'saved'>): void {
  try {
    localStorage.setItem(PREFIX + fingerprint, JSON.stringify({ ...record, saved: Date.now() }))
  } catch {
    forgetRecord(fingerprint)
  }
}

/** Keep what a file is called for as long as this tab is open: a name can be a patient's, so no longer. */
export function saveLabel(fingerprint: string, label: string): void {
  try {
    sessionStorage.setItem(PREFIX + fingerprint, label)
  } catch {
    // Without it the list shows the size alone.
  }
}

/** Keep in this tab what the file of a job is called; everybody else knows it by a made-up name. */
export function saveJobLabel(job: string, label: string): void {
  saveLabel(JOB + job, label)
}

export function jobLabel(job: string): string | null {
  return sessionStorage.getItem(PREFIX + JOB + job)
}

export function forgetRecord(fingerprint: string): void {
  localStorage.removeItem(PREFIX + fingerprint)
  sessionStorage.removeItem(PREFIX + fingerprint)
}

/** What a user has not finished, latest first; what the server has forgotten is forgotten here too. */
export function listUnfinished(user: string): Unfinished[] {
  const found: Unfinished[] = []
  for (const key of Object.keys(localStorage)) {
    if (!key.startsWith(PREFIX)) continue
    const fingerprint = key.slice(PREFIX.length)
    const record = loadRecord(fingerprint)
    if (!record) forgetRecord(fingerprint)
    else if (record.user === user) found.push({ fingerprint, record, label: sessionStorage.getItem(key) })
  }
  return found.sort((a, b) => b.record.saved - a.record.saved)
}
