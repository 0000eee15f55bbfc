import type { ComponentChildren, JSX, TargetedFocusEvent, TargetedKeyboardEvent } from 'preact'
import { useEffect, useRef } from 'preact/hooks'

interface Props {
  /** What stands on its button, and what that is called where the words do not say it. */
  readonly button: ComponentChildren
  readonly title: string
  readonly look?: string
  readonly testId?: string
  readonly children: ComponentChildren
}

/** A menu below a button. Escape, a press elsewhere, and going on by Tab close it: it lies over other things. */
export function Menu({ button, title, look = '', testId, children }: Props): JSX.Element {
  const element = useRef<HTMLDetailsElement>(null)
  const close = (): void => {
    if (element.current) element.current.open = false
  }
  useEffect(() => {
    const press = ({ target }: PointerEvent): void => {
      if (!(target instanceof Node) || !element.current?.contains(target)) close()
    }
    document.addEventListener('pointerdown', press, true)
    return () => document.removeEventListener('pointerdown', press, true)
  }, [])
  const key = (event: TargetedKeyboardEvent<HTMLDetailsElement>): void => {
    if (event.key !== 'Escape' || !event.currentTarget.open) return
    event.stopPropagation()
    close()
    event.currentTarget.querySelector('summary')?.focus()
  }
  const leave = ({ relatedTarget, currentTarget }: TargetedFocusEvent<HTMLDetailsElement>): void => {
    if (relatedTarget instanceof Node && !currentTarget.contains(relatedTarget)) close()
  }
  return (
    <details ref={element} class={`user-menu ${look}`} data-testid={testId} onKeyDown={key} onFocusOut={leave}>
      <summary class="pill" title={title}>
        {button}
      </summary>
      <div class="menu">{children}</div>
    </details>
  )
}
