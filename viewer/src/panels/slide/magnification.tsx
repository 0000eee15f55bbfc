import type { JSX } from 'preact'
import {
  formatMagnification,
  magnificationAt,
  nativeMagnification,
  PRESETS,
  presetOf,
  zoomAt,
} from '../../model/magnification'
import type { Workspace } from '../../store/workspace'

const UNKNOWN = 'The scan states neither objective nor pixel size, so its magnification is unknown.'

/** Fit, the presets, and the magnification as it is now. */
export function Magnification({ workspace }: { workspace: Workspace }): JSX.Element {
  const { view } = workspace
  const native = nativeMagnification(workspace.slide.value)
  const zoom = view.view.value?.zoom ?? 0
  const current = native === null ? null : magnificationAt(native, zoom)
  const preset = current === null ? null : presetOf(current)
  const fits = Math.abs(zoom / view.fitZoom.value - 1) < 0.005
  const title = (value: number): string => {
    if (native === null) return UNKNOWN
    return value > native * 1.01 ? `Enlarged: the scan holds ${formatMagnification(native)}` : `Show at ${value}×`
  }
  return (
    <fieldset class="segments magnification" aria-label="Magnification">
      <output class="magnification-now" title="Magnification now" data-testid="magnification">
        {current === null ? `${Number((zoom * 100).toPrecision(3))} %` : formatMagnification(current)}
      </output>
      <button type="button" aria-pressed={fits} title="Whole slide (0)" onClick={() => view.fit()}>
        Fit
      </button>
      {PRESETS.map((value) => (
        <button
          key={value}
          type="button"
          disabled={native === null}
          aria-pressed={preset === value}
          title={title(value)}
          onClick={() => native !== null && view.jump({ zoom: zoomAt(native, value) })}
        >
          {value}×
        </button>
      ))}
    </fieldset>
  )
}
