/** Where on the slide something lies that has just come in. */
import { listObjects } from '../api/objects'
import type { ImportReport } from '../model/exchange'
import { type Box, boundsOf, unionOf } from '../model/geometry'
import type { Company } from './company'

interface Parts {
  readonly slide: { peek(): { readonly id: string } }
  readonly company: Company
}

/** As many objects are looked at when nobody has told where they lie. */
const LOOKED_AT = 1000

/** The place of all that an import has brought; of a file that was there already, the place of its layer's objects. */
export async function placeOfImport({ slide, company }: Parts, report: ImportReport): Promise<Box | null> {
  const fresh = report.created + report.replaced > 0
  const told = fresh ? company.placeOf(report.revision) : null
  if (told) return told
  const query = new URLSearchParams({ layer: report.layer })
  if (fresh) query.set('filter', `revision = ${report.revision}`)
  const more = { limit: LOOKED_AT, signal: new AbortController().signal }
  const page = await listObjects(slide.peek().id, query, more).catch(() => null)
  return page && page.features.length > 0 ? unionOf(page.features.map(({ geometry }) => boundsOf(geometry))) : null
}
