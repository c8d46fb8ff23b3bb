// Times in the reader's own time zone, which they name. Without script they are in UTC, and say so. The tooltip of a time of
// day stays in UTC.
const CLOCK = {hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short'}
const DATE = {day: 'numeric', month: 'long', year: 'numeric'}
const EXACT = new Intl.DateTimeFormat('en-GB', {...DATE, ...CLOCK})
const TO_THE_SECOND = new Intl.DateTimeFormat('en-GB', {...DATE, ...CLOCK, second: '2-digit'})

export function exactly(at) {
  return EXACT.format(at).replace(' at ', ', ')
}

export function inOwnTimeZone(root) {
  root.querySelectorAll('time[datetime][title$=" UTC"]').forEach(time => {
    const at = new Date(time.dateTime)
    if (!time.matches('[data-clock]')) time.title = TO_THE_SECOND.format(at).replace(' at ', ', ')
    // No line ends within "GMT-5".
    else time.textContent = WORDS[time.dataset.clock](at).replace('GMT-', 'GMT\u2011')
  })
  root.querySelectorAll('[data-left]').forEach(left => { if (!ends.has(left)) ends.set(left, Date.now() + left.dataset.left * 1000) })
}

// The same words as the server's, in page_tags.py.
const DAY = 86_400_000
function clock(at) {
  const day = at.toDateString() === new Date().toDateString() ? {} : {day: 'numeric', month: 'short'}
  if (day.day && at.getFullYear() !== new Date().getFullYear()) day.year = 'numeric'
  return new Intl.DateTimeFormat('en-GB', {...day, ...CLOCK}).format(at)
}

function since(at) {
  const now = new Date(), yesterday = new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1)
  const year = at.getFullYear() === now.getFullYear() ? {} : {year: 'numeric'}
  const day = at.toDateString() === now.toDateString() ? 'today'
    : at.toDateString() === yesterday.toDateString() ? 'yesterday'
    : `on ${new Intl.DateTimeFormat('en-GB', {day: 'numeric', month: 'long', ...year}).format(at)}`
  return `${new Intl.DateTimeFormat('en-GB', CLOCK).format(at)} ${day}`
}
const WORDS = {'': clock, exact: exactly, since}

const MINUTE = 60_000, HOUR = 60 * MINUTE
function counted(number, noun) {
  return `in ${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
}

// As common/instants.py says it.
export function timeLeft(left) {
  if (left < MINUTE) return 'in less than a minute'
  if (left <= 2 * HOUR - MINUTE) return counted(Math.ceil(left / MINUTE), 'minute')
  if (left <= 3 * DAY - HOUR) return counted(Math.ceil(left / HOUR), 'hour')
  return counted(Math.ceil(left / DAY), 'day')
}

// What is left of a pause, by the server's clock. When nothing is left, the place is fetched anew; if that fails, it is
// tried again half a minute later, and an open menu is not taken away.
const ends = new WeakMap()
const AGAIN = 30_000

function countDown(left) {
  const words = `(${timeLeft(ends.get(left) - Date.now())})`
  if (left.textContent !== words) left.textContent = words
  const place = left.closest('.key-row, [data-anew]')
  const due = Math.max(ends.get(left), place?.nextTry ?? 0)
  if (due > Date.now() || !place || document.hidden || place.querySelector(':popover-open')) return
  place.nextTry = Date.now() + AGAIN
  htmx.ajax('GET', location.href, {source: place, target: place, select: `#${place.id}`, swap: 'outerHTML'})
}
setInterval(() => document.querySelectorAll('[data-left]').forEach(left => { if (ends.has(left)) countDown(left) }), 1000)
