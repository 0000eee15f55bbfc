import type { AnnotationClass } from '../model/annotation-class'
import { ApiError, request } from './http'

/** A class schema at one version. */
export interface Schema {
  readonly items: readonly AnnotationClass[]
  readonly version: number
}

/** Somebody else has changed the schema since it was read; `current` is what it is now. */
export class SchemaConflict extends Error {
  constructor(readonly current: Schema) {
    super('Somebody else has changed the classes.')
  }
}

function address(project: string): string {
  return `/api/projects/${encodeURIComponent(project)}/classes`
}

export async function getSchema(project: string): Promise<Schema> {
  return (await request<Schema>(address(project))).body
}

/** Change and add classes; throws `SchemaConflict` when `version` is not the current one any more. */
export async function putSchema(project: string, items: readonly AnnotationClass[], version: number): Promise<Schema> {
  const body = {
    items: items.map(({ name, color, priority, hotkey, code }) => ({ name, color, priority, hotkey, code })),
  }
  try {
    return (await request<Schema>(address(project), { method: 'PUT', body, ifMatch: `"c${version}"` })).body
  } catch (error) {
    const current =
      error instanceof ApiError && error.status === 412 ? (error.body.current as Schema | undefined) : null
    throw current ? new SchemaConflict(current) : error
  }
}
