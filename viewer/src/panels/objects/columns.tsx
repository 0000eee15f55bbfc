import type { ComponentChildren } from 'preact'
import { cssColor, UNCLASSIFIED } from '../../model/annotation-class'
import { formatArea, formatMoment, formatSignificant, formatTime } from '../../model/format'
import type { ObjectRow, SortKey } from '../../model/object-row'
import type { Workspace } from '../../store/workspace'

export interface Column {
  readonly name: string
  /** Absent: the server cannot sort by it. */
  readonly sort?: SortKey
  readonly isNumber?: true
  readonly cell: (row: ObjectRow, workspace: Workspace) => ComponentChildren
}

function ClassCell({ className }: ObjectRow, workspace: Workspace): ComponentChildren {
  const color = workspace.classMap.value.get(className ?? '')?.color ?? UNCLASSIFIED
  return (
    <>
      <span class="swatch" style={{ background: cssColor(color) }} />
      <span class="clip">{className ?? 'Unclassified'}</span>
    </>
  )
}

/** Short enough for its column; the whole moment is its title. */
function UpdatedCell({ updated }: ObjectRow): ComponentChildren {
  if (updated === '') return '—'
  return (
    <time dateTime={updated} title={formatTime(updated)}>
      {formatMoment(updated, new Date())}
    </time>
  )
}

function areaText(area: number | null, isKnown: boolean): string {
  if (area === null) return '—'
  return isKnown ? formatArea(area) : `${formatSignificant(area)} px²`
}

export const COLUMNS: readonly Column[] = [
  { name: 'Class', sort: 'class', cell: ClassCell },
  { name: 'Layer', cell: ({ layer }) => layer },
  { name: 'State', sort: 'state', cell: ({ state }) => state },
  {
    name: 'Score',
    sort: 'score',
    isNumber: true,
    cell: ({ score }) => (score === null ? '—' : formatSignificant(score)),
  },
  { name: 'Area', sort: 'area', isNumber: true, cell: ({ area }, { mpp }) => areaText(area, mpp !== null) },
  { name: 'Author', cell: ({ author }) => author },
  { name: 'Updated', sort: 'updated', cell: UpdatedCell },
]
