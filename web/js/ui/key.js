// key.js - asks for the API key where the server wants one; one question at a time, whoever asks.
import { apiKey, setKey } from '../lib/api.js';
import { t } from '../lib/i18n.js';
import { askText } from './parts.js';

let asking = null;

// Resolves to true when there is a new key to try.
export function askKey() {
  asking ||= askText(t('key.title'), {
    label: t('key.label'), type: 'password', action: t('key.use'), placeholder: 'glim_…',
    note: apiKey.value ? t('key.refused') : t('key.note'),
  }).then((key) => {
    asking = null;
    if (key === undefined) return false;
    setKey(key.trim());
    return true;
  });
  return asking;
}
