import type { JSX } from 'preact'
import { formatCount, formatTime } from '../../model/format'
import { type Slide, thumbnailUrl } from '../../model/slide'
import { slidePath } from '../../model/url'
import { NO_PROJECT } from '../../store/catalog'
import { annotationsText, magnificationText, millimetresText, pixelsText } from './facts'

function Status({ status }: { status: string }): JSX.Element | null {
  return status === 'ready' ? null : <span class="pill pill-warn">{status}</span>
}

function Card({ slide }: { slide: Slide }): JSX.Element {
  return (
    <li>
      <a class="card" href={slidePath(slide.id)} data-testid="slide-card" data-slide={slide.id} title={slide.name}>
        <span class="card-picture">
          <img src={thumbnailUrl(slide, 512)} alt="" loading="lazy" decoding="async" />
        </span>
        <span class="card-text">
          <span class="card-name">{slide.name}</span>
          <span class="card-line">
            <span>{millimetresText(slide)}</span>
            <span>{magnificationText(slide)}</span>
          </span>
          <span class="card-line">
            <span>{pixelsText(slide)}</span>
          </span>
          <span class="card-line card-foot">
            <span class={slide.annotations > 0 ? 'pill pill-good' : 'pill'}>{annotationsText(slide)}</span>
            <Status status={slide.status} />
          </span>
        </span>
      </a>
    </li>
  )
}

export function SlideGrid({ slides }: { slides: readonly Slide[] }): JSX.Element {
  return (
    <ul class="cards">
      {slides.map((slide) => (
        <Card key={slide.id} slide={slide} />
      ))}
    </ul>
  )
}

export function SlideTable({ slides }: { slides: readonly Slide[] }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="slide-table">
        <thead>
          <tr>
            <th scope="col">Slide</th>
            <th scope="col">Project</th>
            <th scope="col" class="num">
              Size
            </th>
            <th scope="col" class="num">
              Pixels
            </th>
            <th scope="col" class="num">
              Objective
            </th>
            <th scope="col" class="num">
              Annotations
            </th>
            <th scope="col">Added</th>
          </tr>
        </thead>
        <tbody>
          {slides.map((slide) => (
            <tr key={slide.id} data-testid="slide-row">
              <th scope="row">
                <a class="row-name" href={slidePath(slide.id)}>
                  <img src={thumbnailUrl(slide, 128)} alt="" loading="lazy" decoding="async" />
                  {slide.name}
                </a>
                <Status status={slide.status} />
              </th>
              <td>{slide.project || NO_PROJECT}</td>
              <td class="num">{millimetresText(slide)}</td>
              <td class="num">{pixelsText(slide)}</td>
              <td class="num">{magnificationText(slide)}</td>
              <td class="num">{formatCount(slide.annotations)}</td>
              <td>{formatTime(slide.created)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
