import type { JSX } from 'preact'
import { countFacet, type Facet } from '../../model/facets'
import { formatCount } from '../../model/format'
import type { Catalog } from '../../store/catalog'

interface Group {
  readonly catalog: Catalog
  readonly facet: Facet
  readonly title: string
}

/** The values of one facet, each a button that leaves its slides only. */
function FacetGroup({ catalog, facet, title }: Group): JSX.Element | null {
  const slides = catalog.slides.value
  const counts = countFacet(slides, facet)
  const chosen = catalog.chosen[facet]
  if (facet !== 'project' && counts.length === 0 && chosen.value === null) return null
  const button = (name: string | null, label: string, count: number): JSX.Element => (
    <li key={label}>
      <button
        type="button"
        class="facet"
        aria-pressed={chosen.value === name}
        onClick={() => {
          // Pressed again, it lets everything through.
          chosen.value = chosen.value === name ? null : name
        }}
      >
        <span class="clip">{label}</span>
        <span class="count">{formatCount(count)}</span>
      </button>
    </li>
  )
  return (
    <nav aria-label={title}>
      <h2>{title}</h2>
      <ul>
        {facet === 'project' && button(null, 'All slides', slides.length)}
        {counts.map(([name, count]) => button(name, name, count))}
      </ul>
    </nav>
  )
}

export function Facets({ catalog }: { catalog: Catalog }): JSX.Element {
  return (
    <div class="facets">
      <FacetGroup catalog={catalog} facet="project" title="Project" />
      <FacetGroup catalog={catalog} facet="stain" title="Stain" />
      <FacetGroup catalog={catalog} facet="hint" title="Quality" />
    </div>
  )
}
