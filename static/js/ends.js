// The choice of a key's end: says what it means, and takes a date in the reader's own time zone. Without script a date
// is in UTC, and the answer says what the choice means.
import {exactly, timeLeft} from './times.js';

const MINUTE = 60_000, DAY = 24 * 60 * MINUTE

// The offset of the reader's time zone at that moment, such as +01:00.
function offsetAt(at) {
  const minutes = -at.getTimezoneOffset(), size = Math.abs(minutes)
  const two = number => String(number).padStart(2, '0')
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`
}

function chosenEnd(select, date) {
  const now = Date.now()
  if (select.value === 'at') return new Date(date.value)
  const days = Number(select.value)
  const since = select.value.startsWith('+') ? Date.parse(select.dataset.end) : NaN
  if (since > now) return new Date(since + days * DAY)
  return new Date(Math.floor((now + days * DAY) / MINUTE) * MINUTE)
}

function sayEnd(form) {
  const [select, date, zone, words] = ['end', 'end-at', 'end-zone', 'end-words']
    .map(name => form.querySelector(`[data-${name}]`))
  const at = chosenEnd(select, date)
  if (select.value === 'at') {
    zone.value = offsetAt(isNaN(at) ? new Date() : at)
    form.querySelector('.end-at .help').textContent = `In your time zone, UTC${zone.value}.`
  }
  if (select.value === 'never') words.textContent = 'Works until somebody pauses or deletes it'
  else if (select.value === 'keep') words.textContent = select.dataset.kept ?? ''
  else if (isNaN(at)) words.textContent = ''
  // The answer has said it beside the field.
  else if (at <= Date.now()) words.textContent = date.hasAttribute('aria-invalid') ? '' : 'This time is in the past.'
  else words.textContent = `Expires on ${exactly(at)} (${timeLeft(at - Date.now())})`
}

export function sayEnds(root) {
  root.querySelectorAll('[data-end-form]').forEach(form => {
    form.querySelector('[data-end]').dataset.kept ??= form.querySelector('[data-end-words]').textContent
    sayEnd(form)
  })
  root.querySelectorAll('[data-local-time]').forEach(sayZone)
}

// The end of a pause.
function sayZone(place) {
  const zone = place.querySelector('[data-zone]')
  zone.value = offsetAt(new Date(place.querySelector('[type="datetime-local"]').value || Date.now()))
  place.querySelector('.help').textContent = `In your time zone, UTC${zone.value}.`
}

document.addEventListener('input', ({target}) => {
  const form = target.closest('[data-end-form]'), place = target.closest('[data-local-time]')
  if (form) sayEnd(form)
  if (place) sayZone(place)
})
