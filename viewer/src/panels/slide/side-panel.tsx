import { useSignal } from '@preact/signals'
import type { JSX, TargetedKeyboardEvent } from 'preact'
import type { Workspace } from '../../store/workspace'
import { DisplayPanel, hasDisplay } from '../display/display-panel'
import { Lazy } from '../lazy'
import { Associated } from './associated'
import { Chosen } from './chosen'
import { ClassList } from './class-list'
import { LayerList } from './layer-list'
import { Originals } from './originals'
import { QualitySection } from './quality'
import { Selected } from './selected'
import { SlideFacts } from './slide-facts'

type Tab = 'Annotate' | 'Display' | 'Objects' | 'Slide'

const loadObjects = async () => (await import('../objects/objects-panel')).ObjectsPanel

export function SidePanel({ workspace }: { workspace: Workspace }): JSX.Element {
  const tabs: readonly Tab[] = [
    'Annotate',
    ...(hasDisplay(workspace) ? (['Display'] as const) : []),
    'Objects',
    'Slide',
  ]
  // Whoever opens channels wants to see them first.
  const tab = useSignal<Tab>(workspace.display.composed ? 'Display' : 'Annotate')
  const turn = (event: TargetedKeyboardEvent<HTMLDivElement>): void => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return
    event.stopPropagation()
    const by = event.key === 'ArrowRight' ? 1 : -1
    tab.value = tabs[(tabs.indexOf(tab.value) + by + tabs.length) % tabs.length] ?? 'Annotate'
    const next = event.currentTarget.querySelector<HTMLElement>(`[data-tab="${tab.value}"]`)
    next?.focus()
  }
  return (
    <aside class={tab.value === 'Objects' ? 'side-panel side-wide' : 'side-panel'} aria-label="Side panel">
      <div class="tabs" role="tablist" aria-label="Side panel" onKeyDown={turn}>
        {tabs.map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            data-tab={name}
            aria-controls="side-content"
            aria-selected={tab.value === name}
            tabIndex={tab.value === name ? 0 : -1}
            onClick={() => {
              tab.value = name
            }}
          >
            {name}
          </button>
        ))}
      </div>
      <div class="side-content" id="side-content" role="tabpanel" aria-labelledby={`tab-${tab.value}`}>
        {tab.value === 'Display' && <DisplayPanel workspace={workspace} />}
        {tab.value === 'Objects' && <Lazy load={loadObjects} props={{ workspace }} />}
        {tab.value === 'Slide' && (
          <>
            <SlideFacts workspace={workspace} />
            <QualitySection workspace={workspace} />
            {workspace.canSeeOriginals && <Originals workspace={workspace} />}
            {workspace.canSeeIdentity && <Associated workspace={workspace} />}
          </>
        )}
        {tab.value === 'Annotate' && (
          <>
            <ClassList workspace={workspace} />
            <LayerList workspace={workspace} />
            <Selected workspace={workspace} />
            <Chosen workspace={workspace} />
          </>
        )}
      </div>
    </aside>
  )
}
