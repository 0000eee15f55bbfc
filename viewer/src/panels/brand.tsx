import type { ComponentChildren, JSX } from 'preact'

export interface Crumb {
  readonly label: string
  readonly href?: string
}

/** The product's name and where the reader is. */
export function Brand({ crumbs }: { crumbs: readonly Crumb[] }): JSX.Element {
  return (
    <nav class="brand" aria-label="Where you are">
      <a class="brand-name" href="/">
        PathServe
      </a>
      <ol>
        {crumbs.map(({ label, href }) => (
          <li key={label}>{href ? <a href={href}>{label}</a> : <span aria-current="page">{label}</span>}</li>
        ))}
      </ol>
    </nav>
  )
}

/** A page's one message in place of its content: loading, empty, failed. */
export function Message({ title, children }: { title: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="message" role="status">
      <p class="message-title">{title}</p>
      {children}
    </div>
  )
}
