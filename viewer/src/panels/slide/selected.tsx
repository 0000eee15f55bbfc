import type { JSX } from 'preact'
import { classNameOf, colorOf, cssColor } from '../../model/annotation-class'
import { formatArea, formatCount, formatLength, formatSignificant } from '../../model/format'
import type { Feature } from '../../model/geojson'
import { areaOf, holeCount, perimeterOf, vertexCount } from '../../model/geometry'
import type { Workspace } from '../../store/workspace'
import { ExhaustiveField } from './exhaustive-field'
import { Facts } from './facts-list'
import { History } from './history'
import { StateField } from './state-field'
import '../../style/history.css'

function measures(feature: Feature, workspace: Workspace): [string, string][] {
  const { geometry } = feature
  const { mpp } = workspace
  const closed = geometry.type === 'Polygon' || geometry.type === 'MultiPolygon'
  const rows: [string, string][] = []
  if (closed) {
    const area = mpp ? formatArea(areaOf(geometry, mpp)) : `${formatSignificant(areaOf(geometry))} px²`
    rows.push(['Area', area])
  }
  if (geometry.type !== 'Point' && geometry.type !== 'MultiPoint') {
    const length = mpp ? formatLength(perimeterOf(geometry, mpp)) : `${formatSignificant(perimeterOf(geometry))} px`
    rows.push([closed ? 'Perimeter' : 'Length', length])
  }
  const vertices = formatCount(vertexCount(geometry))
  rows.push(closed ? ['Vertices · holes', `${vertices} · ${holeCount(geometry)}`] : ['Vertices', vertices])
  return rows
}

function ClassChoice({ workspace, feature }: { workspace: Workspace; feature: Feature }): JSX.Element {
  const name = classNameOf(feature) ?? ''
  return (
    <label class="choice">
      <span>Class</span>
      <span class="swatch" style={{ background: cssColor(colorOf(feature, workspace.classMap.value)) }} />
      <select value={name} onChange={(event) => workspace.classifySelected(event.currentTarget.value || null)}>
        <option value="">Unclassified</option>
        {workspace.classes.value.map((entry) => (
          <option key={entry.name} value={entry.name}>
            {entry.name}
          </option>
        ))}
      </select>
    </label>
  )
}

/** Somebody else has changed the object: it stays as the reader knows it until told otherwise. */
function OvertakenNote({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const overtaken = workspace.interaction.overtaken.value
  if (!overtaken) return null
  return (
    <p class="note note-warn" role="status" data-testid="overtaken">
      {overtaken.author} has {overtaken.isGone ? 'deleted' : 'changed'} this object · rev{' '}
      {formatCount(overtaken.revision)}.{' '}
      <button type="button" class="link" onClick={() => void workspace.refreshSelected()}>
        Show it as it is now
      </button>
    </p>
  )
}

/** What a tile does not tell exactly; as many lines as will stand there. */
const WAITING: [string, string][] = ['Area', 'Perimeter', 'Vertices · holes'].map((name) => [name, '…'])

/** What was just selected, as far as its tile tells it. */
function Previewed({ workspace }: { workspace: Workspace }): JSX.Element | null {
  const preview = workspace.interaction.preview.value
  if (!preview) return null
  return (
    <section class="panel-section" aria-labelledby="selected-heading" aria-busy="true" data-testid="selected">
      <h2 id="selected-heading">Selected · {preview.className ?? 'Unclassified'}</h2>
      <Facts rows={[...WAITING, ['Layer', preview.layer]]} />
    </section>
  )
}

export function Selected({ workspace }: { workspace: Workspace }): JSX.Element | null {
  void workspace.objects.version.value
  const id = workspace.interaction.selection.value
  const stored = id === null ? undefined : workspace.objects.get(id)
  if (!stored) return <Previewed workspace={workspace} />
  const reshape = workspace.interaction.reshape.value
  const feature = reshape?.id === stored.id ? { ...stored, geometry: reshape.geometry } : stored
  const { author, layer, state, name } = feature.properties
  const reason = workspace.reasonOf(stored.id)
  const rows: [string, string | null | undefined][] = [
    ...measures(feature, workspace),
    ['Name', name],
    ['Layer', layer],
    ['Author', author === layer ? null : author],
    ['State', workspace.mayEdit(feature) ? null : state],
  ]
  return (
    <section class="panel-section" aria-labelledby="selected-heading" data-testid="selected">
      <h2 id="selected-heading">
        Selected · {classNameOf(feature) ?? 'Unclassified'} <span>#{stored.id.slice(0, 4)}</span>
      </h2>
      {reason !== '' && (
        <p class="note note-bad" role="alert">
          Not accepted: {reason} Change the outline to send it again.
        </p>
      )}
      <OvertakenNote workspace={workspace} />
      <Facts rows={rows} />
      {workspace.mayEdit(feature) && (
        <div class="actions">
          <ClassChoice workspace={workspace} feature={feature} />
          <button type="button" class="button" data-testid="delete" onClick={() => workspace.deleteSelected()}>
            Delete <kbd>Del</kbd>
          </button>
          <StateField workspace={workspace} feature={feature} />
        </div>
      )}
      {workspace.mayEdit(feature) && <ExhaustiveField workspace={workspace} feature={feature} />}
      {feature.properties.isLocked === true && <p class="note">This object is locked.</p>}
      <History key={stored.id} workspace={workspace} feature={feature} />
    </section>
  )
}
