// Chooses the page by its address. One shell serves them all.
import { showDashboard } from './dashboard.js';
import { showExplore } from './explore.js';
import { showHome } from './home.js';
import { showSnapshot } from './snapshot.js';
import { notFound } from './dom.js';

const address = new URL(location.href);
document.documentElement.dataset.theme = address.searchParams.get('theme') === 'light' ? 'light' : 'dark';

const page = document.getElementById('page');
const parts = address.pathname.split('/').filter(Boolean).map(decodeURIComponent);

if (parts[0] === 'd' || parts[0] === 'd-solo') showDashboard(page, parts[1], parts[0] === 'd-solo');
else if (parts[0] === 'dashboard' && parts[1] === 'snapshot') showSnapshot(page, parts[2]);
else if (parts[0] === 'explore') showExplore(page);
else if (parts.length === 0 || parts[0] === 'dashboards' || parts[0] === 'login') showHome(page, parts[0] === 'login');
else page.append(notFound('Page not found', 'There is nothing at this address.'));
