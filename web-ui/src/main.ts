import { mount } from 'svelte';
import { live } from './api/live.svelte';
import App from './App.svelte';
import './app.css';
import { router } from './router.svelte';

const target = document.getElementById('app');
if (!target) throw new Error('index.html holds no element #app');

router.start();
live.start();
mount(App, { target });
