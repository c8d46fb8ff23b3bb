// Says something in the page's live region. An open dialog hides the page, so the dialog itself says it then.
const LINGER = 8000

export function announce(text) {
  if (sayInDialog(document.querySelector('dialog[open]'), text)) return
  const line = document.createElement('div')
  line.className = 'announcement'
  line.append(Object.assign(document.createElement('span'), {textContent: text}))
  document.getElementById('announcements').replaceChildren(line)
  fade(line)
  makeRoom()
}

// Why the server did not do something, from the page that it answered with; "" if the answer is no such page.
export function reasonIn(page) {
  const words = new DOMParser().parseFromString(page, 'text/html').querySelector('.error-page p')
  return words?.textContent.trim().replace(/\s+/g, ' ') ?? ''
}

// What has the focus, what it stands in, and what one needs next stand clear of the announcements. The head of what has
// the focus stays in sight: a panel may be higher than the window.
const THINGS = '.key-row, .roll, .panel.new, .notice, .secret'
const GAP = 8

export function makeRoom() {
  const strip = document.getElementById('announcements')
  if (!strip.querySelector('.announcement')) return
  const {style} = document.documentElement
  style.setProperty('--announced', `${strip.offsetHeight}px`)
  const edge = strip.getBoundingClientRect().top
  const active = document.activeElement
  const focused = active.matches('body, main') ? [] : [active.closest(THINGS) ?? active, active]
  for (const control of [...focused, ...document.querySelectorAll('[data-next]')]) {
    const {top, bottom} = control.getBoundingClientRect()
    if (top < innerHeight && bottom > edge) scrollBy(0, Math.min(bottom + GAP - edge, roomAbove(focused[0])))
  }
}

// How far the page can scroll until the element reaches what sticks to the top.
function roomAbove(element) {
  if (!element) return Infinity
  const least = parseFloat(getComputedStyle(document.documentElement).scrollPaddingBlockStart) || 0
  return Math.max(0, element.getBoundingClientRect().top - least)
}

function sayInDialog(dialog, text) {
  const place = dialog?.querySelector('[data-dialog-status]')
  if (!place) return false
  place.className = 'dialog-status'
  place.textContent = text
  dialog.addEventListener('close', () => place.replaceChildren(), {once: true})
  return true
}

// What the page says while a dialog opens over it stands in the dialog, too.
export function repeatIn(dialog) {
  const lines = [...document.querySelectorAll('.announcement > span')].map(line => line.textContent)
  if (lines.length) sayInDialog(dialog, lines.join(' '))
}

// A line goes by itself, but not from under a pointer or the focus; and Undo stays as long as it works.
export function fade(line) {
  if (line.querySelector('[data-undo]') || line.fading) return
  line.fading = setTimeout(() => {
    line.fading = null
    line.matches(':hover, :focus-within') ? fade(line) : line.remove()
  }, LINGER)
}

const isIn = element => element?.closest?.('#announcements')
// Where the focus was before it went to an announcement: there it returns.
let before = null
document.addEventListener('focusin', ({target}) => { if (!isIn(target)) before = target })

export function dismiss(line) {
  line.remove()
  focusBack()
}

// A swap puts another element of the same id in an element's place. What is gone or hidden gives way to what it stood in.
export function focusBack() {
  const content = document.getElementById('content')
  for (let place = before ?? content; place !== document.body; place = place.parentElement ?? content) {
    const now = place.isConnected ? place : document.getElementById(place.id)
    now?.focus({preventScroll: true})
    if (now && document.activeElement === now) return
  }
  content.focus()
}

// Undo is one Tab away from what was done, wherever that is on the page, and Tab leads back from there.
document.addEventListener('keydown', event => {
  if (event.key !== 'Tab' || event.ctrlKey || event.altKey || event.metaKey) return
  const stops = [...document.querySelectorAll('.announcement:has([data-undo]) button:not([hidden])')]
  if (!stops.length) return
  const at = stops.indexOf(document.activeElement)
  const leaves = event.shiftKey ? at === 0 : at === stops.length - 1
  if (at >= 0 && leaves && before?.isConnected) {
    event.preventDefault()
    before.focus()
    stops[0].closest('.announcement').seen = true
  } else if (at < 0 && !event.shiftKey && document.activeElement === before && !stops[0].closest('.announcement').seen) {
    event.preventDefault()
    stops[0].focus()
  }
})
