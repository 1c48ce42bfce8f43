// Grafana's classic palette and its named colours.

export const PALETTE = [
  '#73BF69', '#F2CC0C', '#5794F2', '#FF9830', '#F2495C', '#B877D9', '#37872D', '#FADE2A', '#8AB8FF', '#FFB357',
  '#FF7383', '#CA95E5', '#96D98D', '#FFEE52', '#3274D9', '#E0B400', '#C4162A', '#8F3BB8', '#1F60C4', '#FF780A',
];

const NAMED = {
  green: '#73BF69', 'dark-green': '#37872D', 'semi-dark-green': '#56A64B', 'light-green': '#96D98D',
  yellow: '#FADE2A', 'dark-yellow': '#E0B400', 'semi-dark-yellow': '#F2CC0C',
  blue: '#5794F2', 'dark-blue': '#1F60C4', 'semi-dark-blue': '#3274D9', 'light-blue': '#8AB8FF',
  orange: '#FF9830', 'dark-orange': '#FA6400', 'semi-dark-orange': '#FF780A',
  red: '#F2495C', 'dark-red': '#C4162A', 'semi-dark-red': '#E02F44',
  purple: '#B877D9', 'dark-purple': '#8F3BB8', 'semi-dark-purple': '#A352CC', 'light-purple': '#CA95E5',
};

export function color(name) {
  if (!name || name === 'text') return 'var(--text)';
  return NAMED[name] || name;
}
