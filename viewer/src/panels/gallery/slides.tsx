import type { ComponentChildren, JSX } from 'preact'
import { projectOf } from '../../model/facets'
import { formatCount, formatTime } from '../../model/format'
import { badgesOf } from '../../model/quality'
import { isBuilding, type Slide, thumbnailUrl } from '../../model/slide'
import { slidePath } from '../../model/url'
import type { Catalog } from '../../store/catalog'
import { HintBadge } from '../hint-badge'
import { Progress } from '../progress'
import { annotationsText, magnificationText, millimetresText, pixelsText } from './facts'
import { FoundBy } from './found-by'

interface OneSlide {
  readonly slide: Slide
  readonly catalog: Catalog
}

interface ManySlides {
  readonly slides: readonly Slide[]
  readonly catalog: Catalog
}

/** That levels are still being built, and how far that is where it is known. */
function Building({ slide, catalog }: OneSlide): JSX.Element | null {
  if (!isBuilding(slide)) return null
  const share = catalog.builtShare(slide.id)
  return (
    <span class="building" data-testid="building" title="It can be looked at meanwhile.">
      <span class="pill pill-busy">building{share === null ? '' : ` ${Math.floor(share * 100)} %`}</span>
      <Progress label={`Built of ${slide.name}`} share={share} />
    </span>
  )
}

/** The note of a slide that was found by what staff call it. */
function Named({ slide, catalog }: OneSlide): JSX.Element | null {
  const originals = catalog.named.value.get(slide.id)
  return originals ? <FoundBy originals={originals} slide={slide.name} /> : null
}

/** The overview; asked for again when the levels that it needs are there. */
function Thumbnail({ slide, size }: { slide: Slide; size: number }): JSX.Element {
  return <img key={slide.status} src={thumbnailUrl(slide, size)} alt="" loading="lazy" decoding="async" />
}

function Card({ slide, catalog }: OneSlide): JSX.Element {
  const about = [slide.case, slide.stain].filter(Boolean).join(' · ')
  return (
    <li class="card-item">
      <a class="card" href={slidePath(slide.id)} data-testid="slide-card" data-slide={slide.id} title={slide.name}>
        <span class="card-picture">
          <Thumbnail slide={slide} size={512} />
        </span>
        <span class="card-text">
          <span class="card-name">{slide.name}</span>
          {about !== '' && <span class="card-about clip">{about}</span>}
          <span class="card-line">
            <span>{millimetresText(slide)}</span>
            <span>{magnificationText(slide)}</span>
          </span>
          <span class="card-line">
            <span>{pixelsText(slide)}</span>
          </span>
          <span class="card-foot">
            <span class={slide.annotations > 0 ? 'pill pill-good' : 'pill'}>{annotationsText(slide)}</span>
            {badgesOf(slide).map((hint) => (
              <HintBadge key={hint.kind} hint={hint} />
            ))}
            <Building slide={slide} catalog={catalog} />
          </span>
        </span>
      </a>
      <Named slide={slide} catalog={catalog} />
    </li>
  )
}

export function SlideGrid({ slides, catalog }: ManySlides): JSX.Element {
  return (
    <ul class="cards">
      {slides.map((slide) => (
        <Card key={slide.id} slide={slide} catalog={catalog} />
      ))}
    </ul>
  )
}

interface Column {
  readonly name: string
  readonly look?: string
  /** Left out while no slide has anything in it. */
  readonly optional?: boolean
  readonly cell: (slide: Slide) => ComponentChildren
}

const COLUMNS: readonly Column[] = [
  { name: 'Project', cell: projectOf },
  { name: 'Case', optional: true, cell: (slide) => slide.case },
  { name: 'Stain', optional: true, cell: (slide) => slide.stain },
  {
    name: 'Quality',
    look: 'row-hints',
    optional: true,
    cell: (slide) => {
      const badges = badgesOf(slide)
      return badges.length === 0 ? null : badges.map((hint) => <HintBadge key={hint.kind} hint={hint} />)
    },
  },
  { name: 'Size', look: 'num', cell: millimetresText },
  { name: 'Pixels', look: 'num', cell: pixelsText },
  { name: 'Objective', look: 'num', cell: magnificationText },
  { name: 'Annotations', look: 'num', cell: (slide) => formatCount(slide.annotations) },
  { name: 'Added', cell: (slide) => formatTime(slide.created) },
]

function Row({ slide, catalog, columns }: OneSlide & { columns: readonly Column[] }): JSX.Element {
  return (
    <tr data-testid="slide-row">
      <th scope="row">
        <a class="row-name" href={slidePath(slide.id)}>
          <Thumbnail slide={slide} size={128} />
          {slide.name}
        </a>
        <Building slide={slide} catalog={catalog} />
        <Named slide={slide} catalog={catalog} />
      </th>
      {columns.map(({ name, look, cell }) => (
        <td key={name} class={look}>
          {cell(slide)}
        </td>
      ))}
    </tr>
  )
}

export function SlideTable({ slides, catalog }: ManySlides): JSX.Element {
  const columns = COLUMNS.filter(({ optional, cell }) => !optional || slides.some((slide) => Boolean(cell(slide))))
  return (
    <div class="table-scroll">
      <table class="slide-table">
        <thead>
          <tr>
            <th scope="col">Slide</th>
            {columns.map(({ name, look }) => (
              <th key={name} scope="col" class={look}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {slides.map((slide) => (
            <Row key={slide.id} slide={slide} catalog={catalog} columns={columns} />
          ))}
        </tbody>
      </table>
    </div>
  )
}
