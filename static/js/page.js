// What makes every page smoother. All of it works without this file.
import './htmx_settings.js';
import {announce, dismiss, fade, focusBack, makeRoom, reasonIn, repeatIn} from './announce.js';
import './menus.js';
import {copy} from './clipboard.js';
import {sayEnds} from './ends.js';
import {inOwnTimeZone} from './times.js';

// The back/forward cache may hold a page of someone who has signed out since.
addEventListener('pageshow', event => { if (event.persisted) location.reload() })

function enhance(root) {
  root.querySelectorAll('[data-copy-text], [data-dismiss]').forEach(button => { button.hidden = false })
  root.querySelectorAll('.announcement').forEach(fade)
  rememberTabs(root)
  inOwnTimeZone(root)
  sayEnds(root)
}

// Tabs remember the language, and nothing else is stored. A browser may refuse to store anything.
function stored(name) {
  try { return localStorage.getItem(name) ?? '' } catch { return '' }
}

function store(name, value) {
  try { localStorage.setItem(name, value) } catch { /* The next page begins with the first tab. */ }
}

function rememberTabs(root) {
  for (const tabs of root.querySelectorAll('[data-tabs]')) {
    const chosen = tabs.querySelector(`[value="${CSS.escape(stored(`tab-${tabs.dataset.tabs}`))}"]`)
    if (chosen) chosen.checked = true
  }
}

document.addEventListener('change', ({target}) => {
  const tabs = target.closest('[data-tabs]')
  if (tabs) store(`tab-${tabs.dataset.tabs}`, target.value)
})

// Browsers that do not know command= yet.
function runCommand(button) {
  const dialog = document.getElementById(button.getAttribute('commandfor'))
  if (button.getAttribute('command') === 'show-modal') dialog.showModal()
  else dialog.close()
}
const KNOWS_COMMANDS = 'commandForElement' in HTMLButtonElement.prototype

document.addEventListener('click', event => {
  const button = event.target.closest('button')
  if (!button) return
  if (!KNOWS_COMMANDS && button.hasAttribute('commandfor')) {
    event.preventDefault()
    runCommand(button)
  } else if (button.hasAttribute('data-dismiss')) {
    dismiss(button.closest('.announcement'))
  } else if (button.dataset.copyText) {
    const text = document.getElementById(button.dataset.copyText).textContent
    copy(Promise.resolve(text), button, button.dataset.copied)
  }
})

// A name that is only proposed gives way to what is typed.
function selectProposed(target) {
  if (target?.matches('[data-proposed]') && target.value === target.defaultValue) target.select()
}
document.addEventListener('focusin', ({target}) => selectProposed(target))
selectProposed(document.activeElement)

// A whole secret that somebody searches for must not end up in an address; its first characters find the key too.
const SECRET = /([a-z][a-z0-9]*_[0-9A-Za-z]{4})[0-9A-Za-z]{20,}/
document.addEventListener('input', ({target}) => {
  const found = target.type === 'search' && target.value.match(SECRET)
  if (found) target.value = found[1]
})

// The second of a double click would drop the first one's answer, and the session that comes with it. On the window,
// where it is known which forms a script has taken over.
const DOUBLE_CLICK = 1000
addEventListener('submit', event => {
  const form = event.target
  if (event.defaultPrevented || form.method !== 'post') return
  if (event.timeStamp - form.sentAt < DOUBLE_CLICK) event.preventDefault()
  else form.sentAt = event.timeStamp
})

// Undo swaps the key's row where the page has it, and the page's content elsewhere.
document.addEventListener('submit', event => {
  if (!event.target.matches('[data-undo]')) return
  event.preventDefault()
  const key = event.target.action.match(/key_[0-9A-Za-z]+/)?.[0]
  const values = Object.fromEntries(new FormData(event.target))
  if (!document.getElementById(`row-${key}`)) values.next = 'key'
  htmx.ajax('POST', event.target.action, {target: '#content', values})
    .then(() => document.getElementById(`switch-${key}`)?.focus())
})

// Asks whether the first call with a key has come, for as long as somebody looks; the answer takes the question's place.
// It asks each second for a minute, every 5 seconds for 10 minutes, then every 30; a tab that is shown anew begins again.
const LISTEN_EVERY = 1000
let asked = 0
setInterval(() => {
  if (document.hidden) {
    asked = 0
    return
  }
  const gap = asked < 60 ? 1 : asked < 600 ? 5 : 30
  if (asked++ % gap === 0) document.querySelectorAll('[data-listen]').forEach(element => htmx.trigger(element, 'listen'))
}, LISTEN_EVERY)

// What had the focus may be gone with a swap, and Undo goes with its announcement.
let had = null
let height = 0
document.addEventListener('htmx:beforeSwap', ({detail}) => {
  had = document.activeElement
  height = detail.target.matches('.key-row') ? detail.target.getBoundingClientRect().height : 0
})

// A line may go from a key's row with its state. The rows below stay where a pointer may be on its way to.
document.addEventListener('htmx:afterSwap', ({target}) => {
  if (!height || !target.matches('.key-row')) return
  target.style.minHeight = `${height}px`
})

document.addEventListener('htmx:afterSettle', event => {
  enhance(document)
  if (had !== document.body && document.activeElement === document.body) focusBack()
  const wrong = event.target.querySelector?.('[aria-invalid="true"]');
  const fresh = event.target.querySelector?.('[data-focus]')
  if (wrong) wrong.focus()
  else if (fresh) fresh.focus()
  makeRoom()
})

// An action that fails midway, or whose answer is lost, may have worked.
function whatNow(event) {
  return event.detail.requestConfig?.verb === 'get' ? 'Try again.' : 'Reload the page to see whether it was done.'
}

document.addEventListener('htmx:responseError', event => {
  const {xhr} = event.detail
  const {status} = xhr
  // Nobody pressed anything: a question without an answer is asked again, or not at all where there is none.
  if (event.target.matches('[data-left]')) return
  if (event.target.matches('[data-listen]')) return void (status < 500 && event.target.removeAttribute('data-listen'))
  if (status === 403) announce(reasonIn(xhr.responseText) || 'This is not allowed.')
  else if (status === 404) announce('This no longer exists, or you lost access to it. Reload the page.')
  else if (xhr.getResponseHeader('X-Busy')) announce(xhr.getResponseHeader('X-Busy'))
  else if (status === 503) announce(`The server is not available at the moment. ${whatNow(event)}`)
  else announce(`Something broke. ${whatNow(event)}`)
})
document.addEventListener('htmx:sendError', event => {
  if (!event.target.matches('[data-listen], [data-left]')) announce(`The server cannot be reached. ${whatNow(event)}`)
})

// A dialog that asked who is there is open again when the person comes back to its page; a reload leaves it closed.
function openNamedDialog() {
  const dialog = document.getElementById(location.hash.slice(1))
  if (!dialog?.matches('dialog')) return
  dialog.showModal()
  repeatIn(dialog)
  history.replaceState(history.state, '', location.pathname + location.search)
}

enhance(document)
makeRoom()
openNamedDialog()
