// Menus close on Escape and on a click beside them, and give the focus back. They open and close without this file.
const open = () => document.querySelectorAll('details:is(.switcher, .picker, [data-menu])[open]')

document.addEventListener('keydown', event => {
  if (event.key !== 'Escape') return
  // One Escape closes one thing: the phone's menu stays while a menu in it closes.
  if (!open().length && panel?.matches(':popover-open')) {
    event.preventDefault()
    panel.hidePopover()
    menuButton().focus()
  }
  for (const menu of open()) {
    event.preventDefault()
    const hadFocus = menu.contains(document.activeElement)
    menu.open = false
    if (hadFocus) menu.querySelector('summary').focus()
  }
})

// A click beside a menu may be a click on another control, which has the focus then.
function giveBack(button) {
  if (document.activeElement.tabIndex < 0) button?.focus({preventScroll: true})
}

document.addEventListener('click', ({target}) => {
  for (const menu of open()) {
    if (menu.contains(target)) continue
    menu.open = false
    giveBack(menu.querySelector('summary'))
  }
})

document.addEventListener('toggle', ({target, newState}) => {
  if (newState === 'closed' && target.popover) giveBack(document.querySelector(`[popovertarget="${target.id}"]`))
}, true)

// The phone's menu: the focus goes into it as it opens. It becomes the sidebar when the window grows.
const panel = document.getElementById('menu')
const menuButton = () => document.querySelector('[popovertarget="menu"]')
panel?.addEventListener('toggle', event => {
  if (event.newState === 'open') panel.querySelector('summary, a').focus()
})

// It covers the page, so it closes when the focus leaves it.
panel?.addEventListener('focusout', ({relatedTarget}) => {
  if (!relatedTarget || panel.contains(relatedTarget) || relatedTarget === menuButton()) return
  if (panel.matches(':popover-open')) panel.hidePopover()
})

// Arrows walk through the menu of a row. The page behind it stays where it is.
const STEPS = {ArrowDown: 1, ArrowUp: -1}
document.addEventListener('keydown', event => {
  const menu = document.querySelector('.menu:popover-open')
  if (!menu || !(event.key in STEPS)) return
  event.preventDefault()
  const items = [...menu.querySelectorAll('button')], at = items.indexOf(document.activeElement)
  const first = event.key === 'ArrowDown' ? 0 : items.length - 1
  items[at < 0 ? first : (at + STEPS[event.key] + items.length) % items.length].focus()
})
matchMedia('(min-width: 800px)').addEventListener('change', ({matches}) => {
  if (matches && panel?.matches(':popover-open')) panel.hidePopover()
})
