"""What the words of a header or file name say about the phase."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from LiverTumorAILib.study.phase import Phase


@dataclass(frozen=True)
class WordEvidence:
    """What words say about the phase.

    Attributes
    ----------
    phase: Phase or None
        None where the words say nothing, or name several phases.
    word: str
        The word that decided.
    weight: float
        Probability that the word is right (0-1).

    """

    phase: Phase | None = None
    word: str = ""
    weight: float = 0.0


def _plain(text: str) -> str:
    """Lower case without accents; the same for texts and patterns."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("ł", "l"))
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


_SURE, _LIKELY, _ABBREVIATION, _VAGUE = 0.95, 0.88, 0.8, 0.6

_WORDS: tuple[tuple[Phase, float, str], ...] = (
    # Longer and more special words first: what has been matched is not read again.
    (
        Phase.HEPATOBILIARY,
        _SURE,
        r"hepato ?bil\w*|epato ?biliar\w*|hepato ?zellular\w*|hepatocit\w*|epatocit\w*|hepatocyt\w*|leberspezifisch\w*"
        r"|watrobowo zolciow\w*|hepatospecif\w*|гепатобилиарн\w*|гепатоспецифич\w*|肝胆|肝膽|肝細胞|肝细胞"
        r"|간담도|간세포|\bhbp\b|\bhbf\b|\bhepatobil",
    ),
    (
        Phase.ARTERIAL,
        _SURE,
        r"(late|early|spat|fruh|tardi[aofv]\w*|precoc\w*|laat|vroeg|pozn\w*|wczesn\w*|поздн\w*|ранн\w*|晚|早)?"
        r" ?(hepatic |hepat\w* )?(arter\w*|artr\b|tetnicz\w*|артериальн\w*|动脉|動脈|동맥)( (late|early|tardi[aofv]\w*"
        r"|precoc\w*))?|后动脉|後動脈|(spat|fruh)arteriell\w*",
    ),
    (
        Phase.PORTAL_VENOUS,
        _SURE,
        r"porto? ?(veno\w*|venen\w*|veine\w*)?\b|porta(?!b)\w*( (ven[aoeu]\w*|veine\w*))?|pfortader\w*|wrotn\w*"
        r"|порто ?венозн\w*|портальн\w*|воротн\w*|门静脉|门脉|門靜脈|門脈|门 静脉|문맥",
    ),
    (
        Phase.NON_CONTRAST,
        _SURE,
        r"non ?contrast\w*|without (iv )?contrast|no contrast|un ?enhanced|non ?enhanced|pre ?contrast\w*"
        r"|plain (ct|phase)|\bnativ\w*|\bnatywn\w*|ohne (km|kontrast\w*)|leeraufnahme"
        r"|sans (iv|injection|contraste|pdc|ic)"
        r"|avant injection|sin (contraste|civ|cte)|\bsimple\b|senza (mdc|contrasto|mezzo)|\bbasale?\b|diretta\b"
        r"|sem contraste"
        r"|zonder contrast|blanco\b|bez kontrastu|bez k\b|przed kontrastem|без контраст\w*|безконтраст\w*|нативн\w*"
        r"|бесконтраст\w*|до контраст\w*|平扫|平掃|単純|单纯|單純|非造影|造影前|增强前|비조영|조영 ?전|조영전",
    ),
    (
        Phase.DELAYED,
        _SURE,
        r"delay\w*|equilibri\w*|gleichgewicht\w*|\bspat\w*|tardi[aofv]\w*|retard\w*|ritardat\w*"
        r"|late (phase|venous)|vertraag\w*|\blaat\w*|\blate fase|evenwicht\w*|opozn\w*|pozn\w*|rownowag\w*"
        r"|отсрочен\w*|равновес\w*|поздн\w*|выделител\w*|延迟|延遲|延时|平衡|遅延|後期相|지연|평형|excretor\w*",
    ),
    (
        Phase.PORTAL_VENOUS,
        _LIKELY,
        r"venous|veno[sz]\w*|veineu\w*|\bveines?\b|zyln\w*|венозн\w*|静脉|靜脈|静脈|정맥|\bvenen?\b",
    ),
    (
        Phase.NON_CONTRAST,
        _LIKELY,
        r"\bpre\b|\bwithout\b|\bw ?/ ?o\b(?! ?(and|&))|\bc-(?=\s|$)|\bohne\b|\bsans\b|\bsenza\b",
    ),
    (Phase.ARTERIAL, _ABBREVIATION, r"\bart\b|\be?l?hap\b|\bart ?\d\b|\bta\b(?= phase)|a期"),
    (Phase.PORTAL_VENOUS, _ABBREVIATION, r"\bpv\b|\bpvp\b|\bvp\b|\bport\b|\bven\b|\bpvi\b|p期|v期"),
    (Phase.DELAYED, _ABBREVIATION, r"\bdel\b|\bdly\b|\beq\b|\bequi\w*|d期|\bdp\b"),
    (Phase.NON_CONTRAST, _ABBREVIATION, r"\bnc\b|\bncct\b|\bnect\b|\bnat\b|\bwo\b(?! ?(and|&))"),
    # AP also stands for abdomen and pelvis.
    (Phase.ARTERIAL, _VAGUE, r"\bap\b|\blap\b|\beap\b|\bart(?=\d)"),
)
_COMPILED = tuple((phase, weight, re.compile(_plain(pattern))) for phase, weight, pattern in _WORDS)
_BOTH_WAYS = re.compile(
    r"\bw ?/ ?wo\b|\bw ?& ?w ?/? ?o\b|\bwith ?(and|/|&) ?without\b|mit und ohne|avec et sans|con e senza"
)
_MINUTES = re.compile(r"(?<![\d.,])(\d{1,2})(?:[.,]\d)? ?(?:min\b|minut\w*|mn\b|分|분|мин\b|')")
_SECONDS = re.compile(r"(?<![\d.,])(\d{2,3}) ?(?:s|sec|sek|seg|秒|초|сек)\b")


def read_words(texts: Sequence[str]) -> WordEvidence:
    """Evidence of the first of `texts` that names exactly one phase.

    Parameters
    ----------
    texts: sequence of str
        Series description, protocol name, comments or file name, the most specific first. English, German, French,
        Spanish, Italian, Portuguese, Dutch, Polish, Russian, Chinese, Japanese and Korean words are known.

    """
    for text in texts:
        evidence = _read_text(text)
        if evidence.phase is not None:
            return evidence
    return WordEvidence()


def _read_text(text: str) -> WordEvidence:
    rest = re.sub(r"[_.;,()\[\]+]+", " ", _plain(text))
    rest = re.sub(r"(?<=[a-z]{2})-(?=[a-z])|(?<=\s)-(?=\s)", " ", rest)
    rest = _BOTH_WAYS.sub(" ", rest)
    found: list[tuple[Phase, float, str]] = []
    for phase, weight, pattern in _COMPILED:
        match = pattern.search(rest)
        if match:
            found.append((phase, weight, match.group().strip()))
            rest = pattern.sub("|", rest)
    strongest = max((weight for _, weight, _ in found), default=0.0)
    sure = [item for item in found if item[1] >= strongest - 0.2]
    if len({phase for phase, *_ in sure}) == 1:
        phase, weight, word = sure[0]
        return WordEvidence(phase, word, weight)
    return WordEvidence() if found else _read_delay(rest)


def _read_delay(text: str) -> WordEvidence:
    """The phase by a delay after injection such as '70 s' or '20 min'."""
    minutes, seconds = _MINUTES.search(text), _SECONDS.search(text)
    if minutes and 8 <= int(minutes.group(1)) <= 90:
        return WordEvidence(Phase.HEPATOBILIARY, minutes.group(), _LIKELY if int(minutes.group(1)) >= 15 else _VAGUE)
    if minutes and 2 <= int(minutes.group(1)) < 8:
        return WordEvidence(Phase.DELAYED, minutes.group(), _ABBREVIATION)
    if seconds:
        delay = int(seconds.group(1))
        for phase, low, high in (
            (Phase.ARTERIAL, 15, 45),
            (Phase.PORTAL_VENOUS, 55, 100),
            (Phase.DELAYED, 120, 600),
        ):
            if low <= delay <= high:
                return WordEvidence(phase, seconds.group(), _ABBREVIATION)
    return WordEvidence()


def names_no_contrast(agent: str) -> bool:
    """Whether a contrast agent attribute says that there was none."""
    return bool(
        re.fullmatch(r"\s*(none|no|n|w/?o|without|ohne|sans|keine?|non|nessuno|无|無|なし|0)\s*", _plain(agent))
    )


def seconds_since_midnight(time: str) -> float | None:
    """Seconds of a DICOM time (VR TM, 'HHMMSS.FFFFFF'); None if it is empty or none."""
    digits = time.strip().replace(":", "")
    match = re.match(r"(\d{2})(\d{2})(\d{2}(?:\.\d+)?)", digits)
    if not match:
        return None
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
