import { type Signal, useSignal } from '@preact/signals'
import type { JSX, RefObject } from 'preact'
import type { CommandId } from '../../model/commands'
import type { Workspace } from '../../store/workspace'
import { BuildingNote } from './building-note'
import { ChangeNote } from './company'
import { ConflictDialog } from './conflict'
import { Help } from './help'
import { HoverLabel } from './hover-label'
import { Mark } from './mark'
import { Minimap } from './minimap'
import { Notice } from './notice'
import { ScaleBarView } from './scale-bar'
import { SidePanel } from './side-panel'
import { Spoken } from './spoken'
import { StatusBar } from './status-bar'
import { ToolRail } from './tool-rail'
import { TopBar } from './top-bar'

interface Props {
  readonly workspace: Workspace
  readonly canvas: RefObject<HTMLDivElement | null>
  readonly run: (command: CommandId) => void
  readonly panelOpen: Signal<boolean>
  readonly helpOpen: Signal<boolean>
  readonly failedTiles: Signal<number>
  readonly toolKey: (name: string) => boolean
  readonly beforeShare: () => void
}

/** Which pointer shape says what a press would do now. */
function cursorClass({ interaction }: Workspace): string {
  const tool = interaction.effectiveTool.value
  if (tool === 'polygon') return 'cursor-draw'
  if (interaction.handle.value) return 'cursor-handle'
  return interaction.hover.value === null || interaction.spaceHeld.value ? 'cursor-move' : 'cursor-pick'
}

export function SlideView(props: Props): JSX.Element {
  const { workspace, canvas, run, panelOpen, helpOpen, failedTiles, toolKey, beforeShare } = props
  const conflictOpen = useSignal(false)
  const close = (open: Signal<boolean>) => () => {
    open.value = false
  }
  return (
    <div class={panelOpen.value ? 'page slide-page' : 'page slide-page panel-closed'}>
      <TopBar
        workspace={workspace}
        beforeShare={beforeShare}
        onConflict={() => {
          conflictOpen.value = true
        }}
      />
      <ToolRail workspace={workspace} run={run} />
      <main class={`stage ${workspace.display.composed ? 'stage-dark' : ''} ${cursorClass(workspace)}`}>
        <h1 class="visually-hidden">{workspace.slide.value.name}</h1>
        <div class="slide-canvas" ref={canvas} data-testid="slide-canvas" />
        <Spoken workspace={workspace} />
        <HoverLabel workspace={workspace} />
        <Mark workspace={workspace} />
        <BuildingNote workspace={workspace} />
        <ChangeNote workspace={workspace} />
        <Notice workspace={workspace} toolKey={toolKey} />
        <ScaleBarView workspace={workspace} />
        <Minimap workspace={workspace} />
      </main>
      {panelOpen.value && <SidePanel workspace={workspace} />}
      <StatusBar workspace={workspace} failedTiles={failedTiles.value} />
      {helpOpen.value && (
        <Help slide={workspace.slide.value} canAnnotate={workspace.canAnnotate} onClose={close(helpOpen)} />
      )}
      {conflictOpen.value && <ConflictDialog workspace={workspace} onClose={close(conflictOpen)} />}
    </div>
  )
}
