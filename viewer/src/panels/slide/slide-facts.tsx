import type { JSX } from 'preact'
import { formatCount, formatSignificant, formatTime } from '../../model/format'
import type { Slide } from '../../model/slide'
import type { Workspace } from '../../store/workspace'
import { magnificationText, millimetresText, pixelsText } from '../gallery/facts'
import { Facts } from './facts-list'
import { Rename } from './rename'

function mppText(slide: Slide): string {
  const { mpp_x: x, mpp_y: y } = slide
  if (x === null || y === null) return 'unknown'
  const value = x === y ? `${formatSignificant(x)} µm` : `${formatSignificant(x)} × ${formatSignificant(y)} µm`
  return slide.mpp_plausible ? value : `⚠ ${value} as stated; implausible, not used`
}

/** What the scan says about its colours. */
function coloursText({ color }: Slide): string | null {
  if (!color) return null
  if (!color.profile) return 'no profile; taken for sRGB'
  return color.converted ? 'by the scan’s profile' : 'the scan’s profile is sRGB'
}

export function SlideFacts({ workspace }: { workspace: Workspace }): JSX.Element {
  const slide = workspace.slide.value
  const channels = slide.channels.map((channel) => channel.name).join(', ')
  return (
    <section class="panel-section" aria-labelledby="slide-heading">
      <h2 id="slide-heading">Slide</h2>
      {workspace.canRename && <Rename key={slide.name} workspace={workspace} />}
      <Facts
        rows={[
          ['Name', workspace.canRename ? null : slide.name],
          ['Project', slide.project],
          ['Case', slide.case],
          ['Patient', slide.patient],
          ['Stain', slide.stain],
          ['Size', millimetresText(slide)],
          ['Pixels', pixelsText(slide)],
          ['Pixel size', mppText(slide)],
          ['Objective', magnificationText(slide)],
          ['Levels', formatCount(slide.levels)],
          ['Channels', channels],
          ['Colours', workspace.display.composed ? null : coloursText(slide)],
          ['Planes', slide.planes > 1 ? formatCount(slide.planes) : null],
          ['Times', slide.times > 1 ? formatCount(slide.times) : null],
          ['Annotations', formatCount(workspace.counts.total.value)],
          ['Added', formatTime(slide.created)],
          ['Id', slide.id],
        ]}
      />
    </section>
  )
}
