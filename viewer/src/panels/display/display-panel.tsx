import type { JSX } from 'preact'
import type { Slide } from '../../model/slide'
import type { Workspace } from '../../store/workspace'
import { Channels } from './channels'
import { Colours } from './colours'
import { Planes } from './planes'

function hasPlanes({ planes, times }: Slide): boolean {
  return planes > 1 || times > 1
}

/** Whether there is anything to choose about how a slide is shown. */
export function hasDisplay({ slide, display }: Workspace): boolean {
  return display.composed || hasPlanes(slide.value) || slide.value.color?.converted === true
}

/** How the slide is shown. */
export function DisplayPanel({ workspace }: { workspace: Workspace }): JSX.Element {
  const slide = workspace.slide.value
  return (
    <>
      {hasPlanes(slide) && <Planes workspace={workspace} />}
      {workspace.display.composed && <Channels workspace={workspace} />}
      {slide.color?.converted === true && <Colours workspace={workspace} />}
    </>
  )
}
