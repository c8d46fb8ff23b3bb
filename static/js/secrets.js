// Copy and reveal, of keys and of the links of invitations. The secret is fetched on click and kept nowhere; without
// script the buttons lead to a page.
import {announce, reasonIn} from './announce.js';
import {copy} from './clipboard.js';

const REVEALED_FOR = 10_000

// A secret that is shown this once comes in a dialog. It is taken out of the page at once, and gone when the page is left.
let shownOnce = new WeakMap()
document.addEventListener('htmx:afterSwap', () => {
  document.querySelectorAll('[data-once]').forEach(place => {
    shownOnce.set(place, place.dataset.once)
    delete place.dataset.once
  })
  const dialog = document.querySelector('#shown-once:not([open])')
  if (dialog) showOnce(dialog)
})

// The dialog closes with "I have saved it" alone, which leads on. Leaving the page before that asks first.
function showOnce(dialog) {
  document.querySelectorAll('dialog[open]').forEach(other => other.close())
  const ask = event => {
    event.preventDefault()
    event.returnValue = true  // for browsers that know only this
  }
  const stay = event => { if (event.key === 'Escape') event.preventDefault() }
  const reopen = () => dialog.showModal()
  addEventListener('beforeunload', ask)
  dialog.addEventListener('keydown', stay)
  dialog.addEventListener('cancel', ask)
  dialog.addEventListener('close', reopen)
  dialog.querySelector('[data-saved]').addEventListener('click', () => removeEventListener('beforeunload', ask))
  dialog.showModal()
}

// The buttons of a list share one form, and each names its own address.
async function fetchSecret(button) {
  const own = shownOnce.get(button.closest('[data-secret]'))
  if (own) return own
  const {form} = button
  const address = button.hasAttribute('formaction') ? button.formAction : form.action
  const answer = await fetch(address, {
    method: 'POST', body: new FormData(form), headers: {Accept: 'application/json'}, cache: 'no-store', redirect: 'error',
  })
  const isJson = answer.headers.get('Content-Type')?.startsWith('application/json')
  const body = isJson ? await answer.json() : {message: reasonIn(await answer.text())}
  if (answer.status === 401) {
    // The server names the login page and where to come back to.
    location.assign(body.login)
    throw new Error('signed out')
  }
  if (!answer.ok) throw new Error(body.message || 'It could not be read. Reload the page and try again.')
  button.note = body.note ?? ''
  return body.secret
}

// Whatever keeps a secret from coming is said, never silent.
function sayWhy(error) {
  announce(error instanceof TypeError ? 'The server cannot be reached. Try again.' : error.message)
}

function hide(button) {
  clearTimeout(button.hideTimer)
  const mask = button.closest('[data-secret]').querySelector('[data-mask]')
  if (mask.dataset.masked === undefined) return
  mask.textContent = mask.dataset.masked
  delete mask.dataset.masked
  button.classList.remove('is-revealed')
  button.ariaLabel = button.ariaLabel.replace('Hide', 'Reveal')
}

function show(button, secret) {
  const mask = button.closest('[data-secret]').querySelector('[data-mask]')
  mask.dataset.masked ??= mask.textContent
  mask.textContent = secret
  button.classList.add('is-revealed')
  button.ariaLabel = button.ariaLabel.replace('Reveal', 'Hide')
  announce('API key revealed for 10 seconds')
  button.hideTimer = setTimeout(() => hide(button), REVEALED_FOR)
}

// A second click before the answer would fetch, and record, a second look.
function once(button, act) {
  button.fetching ??= act().finally(() => { button.fetching = null })
}

function reveal(button) {
  if (button.classList.contains('is-revealed')) return hide(button)
  once(button, () => fetchSecret(button).then(secret => show(button, secret), sayWhy))
}

function copySecret(button) {
  const {before = '', copied = 'API key copied'} = button.dataset
  once(button, () => {
    const line = fetchSecret(button).then(secret => before + secret)
    line.then(null, sayWhy)
    // The clipboard is asked at once, while the click is fresh; `sayWhy` has spoken if there is nothing to copy.
    return copy(line, button, copied, () => button.note ?? '').then(() => renew(button), () => {})
  })
}

// A copied link may give its expired invitation another end. What was not copied stays in its row.
function renew(button) {
  const {renews} = button.dataset
  if (!renews || !button.matches('.is-copied')) return
  htmx.ajax('GET', location.pathname + location.search, {target: `#${renews}`, select: `#${renews}`, swap: 'outerHTML'})
}

document.addEventListener('submit', event => {
  const button = event.submitter
  const act = button?.matches('[data-copy-secret]') ? copySecret : button?.matches('[data-reveal]') ? reveal : null
  if (!act) return
  event.preventDefault()
  act(button)
})

addEventListener('pagehide', () => {
  document.querySelectorAll('[data-reveal]').forEach(hide)
  shownOnce = new WeakMap()
})
