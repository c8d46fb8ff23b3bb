// The forms of a key, a person or the project, in a dialog that is filled when it is opened: its facts are true then.
import {repeatIn} from './announce.js';

const dialog = document.getElementById('key-dialog')
const FIELD = ':is(input:not([type="hidden"], [aria-hidden]), select, textarea, button):enabled'
let opener = null
let section = null
let isNamed = false

// What the focus goes back to: the button, or the menu that the button stood in.
function placeOf(button) {
  const menu = button.closest('[popover]')
  return menu ? document.querySelector(`[popovertarget="${menu.id}"]`) : button
}

document.addEventListener('htmx:afterSwap', ({detail}) => {
  if (detail.target.id !== 'key-dialog-body' || dialog.open) return
  const button = detail.requestConfig.triggeringEvent.submitter
  opener = placeOf(button)?.id
  section = button?.closest('section')?.querySelector('h2')?.id
  dialog.showModal()
  // default_button.html comes first, and nobody sees it.
  if (document.activeElement.ariaHidden) dialog.querySelector(FIELD)?.focus()
  if (isNamed) repeatIn(dialog)
  isNamed = false
})

// The menu is hidden by then, and what is hidden takes no focus. A button that has no place in the key's new row, such as
// Extend, gives way to the key's name. The button of a row that is gone gives way to the title of its section.
dialog.addEventListener('close', () => {
  const key = opener?.match(/key_[0-9A-Za-z]+/)?.[0]
  const places = [opener, `name-${key}`, section].map(id => document.getElementById(id))
  places.find(Boolean)?.focus()
})

// After a deletion or a revocation the focus goes to the next row, or to the section's heading. It does not go to the
// row's switch: another Enter would pause a key that nobody chose.
const TITLES = {'api-keys': 'api-keys-title', 'invitation-list': 'invitations-title'}
let next = null
document.addEventListener('htmx:beforeRequest', ({target}) => {
  const [, change, key] = target.id.match(/^(delete-form|end-form|revoke-form|done)-(.+)/) ?? []
  const row = document.getElementById(`row-${key}`)
  next = row && {id: (row.nextElementSibling ?? row.previousElementSibling)?.id}
  // The panel of a roll is gone after its end, and the panel of a new key after Done. The key's row stays.
  if (change === 'end-form' || change === 'done') next = {id: `row-${key}`}
})

const close = () => { if (dialog.open) dialog.close() }
document.addEventListener('key-dialog-done', close)
document.addEventListener('htmx:afterSwap', ({detail}) => { if (detail.target.id === 'content') close() })

document.addEventListener('htmx:afterSettle', ({target}) => {
  const title = TITLES[target.id]
  if (!next || !title) return
  ;(document.getElementById(next.id) ?? document.getElementById(title)).focus()
  next = null
})

// Browsers that cannot anchor the menu to its button.
if (!CSS.supports('position-area', 'block-end')) {
  document.addEventListener('toggle', ({target, newState}) => {
    if (!target.matches('.menu') || newState !== 'open') return
    const {right, bottom} = placeOf(target).getBoundingClientRect()
    const top = Math.min(bottom, innerHeight - target.offsetHeight)
    Object.assign(target.style, {left: `${Math.max(0, right - target.offsetWidth)}px`, top: `${top}px`})
  }, true)
}

// The page comes back to a dialog after it asked who is there; a reload leaves the dialog closed.
// The buttons of a row's menu have no ids: their addresses name the key and the action, and a page has ten rows.
function buttonNamed(name) {
  const [, action, key] = name.match(/^open-([a-z-]+)-(key_[0-9A-Za-z]+)$/) ?? []
  return document.getElementById(name) ?? document.querySelector(`.menu [formaction$="/${key}/${action}/"]`)
}

function openNamed() {
  const button = buttonNamed(location.hash.slice(1))
  if (!button?.matches('[form="open-key"]')) return
  history.replaceState(history.state, '', location.pathname + location.search)
  isNamed = true
  button.click()
}
addEventListener('load', openNamed)
