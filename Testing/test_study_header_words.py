"""Words of many languages name the phase."""

import pytest

from LiverTumorAILib.study import Phase
from LiverTumorAILib.study.header_words import names_no_contrast, read_words, seconds_since_midnight

WORDS = {
    Phase.NON_CONTRAST: (
        "Liver native|Abdomen nativ|TDM sans injection|Abdomen sin contraste|fase basale|上腹部平扫|腹部単純CT"
        "|비조영 CT|без контраста|sem contraste|Blanco abdomen|bez kontrastu|PRE LIVER|T1 VIBE fs tra pre contrast"
        "|unenhanced"
        "|Abd W/O 5mm|Nativphase|faza natywna|нативная фаза|fase simple|C- 5.0|NON-CONTRAST|Non_Contrast"
        "|Abdomen ohne KM|senza mdc"
    ),
    Phase.ARTERIAL: (
        "arterial|Leber arteriell 1.0 B30|spätarteriell|temps artériel tardif|fase arteriosa|动脉期|動脈相|동맥기"
        "|артериальная фаза|faza tętnicza|HAP|late arterial phase|arterielle Phase|Art 3.0|A期|fase arterial tardia"
        "|arteriële fase|ax T1 dyn 30s|Liver_arterial_phase"
    ),
    Phase.PORTAL_VENOUS: (
        "portal venous|portalvenös|Pfortaderphase|phase portale|fase portale|fase portal|门静脉期|門脈相|문맥기"
        "|портальная фаза|венозная фаза|faza wrotna|PV|Liver 70s|venöse Phase|temps portal|V期 5mm|静脉期"
        "|portaal veneuze fase|venous phase|PORTO-VENOUS|portal_venous"
    ),
    Phase.DELAYED: (
        "delayed|Spätphase|phase tardive|fase tardía|fase tardiva|延迟期|平衡期|平衡相|지연기|отсроченная фаза"
        "|faza opóźniona|equilibrium|late phase|DELAY 3 MIN|fase de equilíbrio|vertraagde fase|5 min|temps tardif"
    ),
    Phase.HEPATOBILIARY: (
        "HBP|hepatobiliary 20 min|hepatobiliäre Phase|肝胆期|肝細胞相|간담도기|гепатобилиарная фаза|T1 vibe 20min"
        "|hepatobiliar 20 minutos|phase hépatobiliaire|LL VIBE 20 min Primovist|faza wątrobowo-żółciowa"
    ),
}
SAYING_NOTHING = (
    "LIVER 3 PHASE|W/WO abdomen|Thorax Abdomen 5.0|T1 VIBE|Abdomen art/pv/delayed|CT abdomen with and without contrast"
    "|Abdomen|case 12|volume_001|Fase 2|AX 5mm|Artefakt|portable|alternative recon|"
)


@pytest.mark.parametrize(
    ("phase", "text"), [(phase, text) for phase, all_ in WORDS.items() for text in all_.split("|")]
)
def test_a_word_names_its_phase(phase, text):
    assert read_words([text]).phase is phase


@pytest.mark.parametrize("text", SAYING_NOTHING.split("|"))
def test_words_that_name_no_phase_or_several_say_nothing(text):
    assert read_words([text]).phase is None


def test_the_first_text_that_names_a_phase_decides():
    assert read_words(["Leber 1.0", "Leber portalvenös", "arteriell"]).phase is Phase.PORTAL_VENOUS


def test_ap_alone_is_weak_evidence_because_it_also_means_abdomen_and_pelvis():
    assert read_words(["Liver AP"]).weight < 0.7 < read_words(["Liver arterial"]).weight


def test_an_agent_may_say_that_there_was_none():
    assert names_no_contrast("NONE")
    assert not names_no_contrast("Iomeprol 400")


def test_times_are_read_with_and_without_fractions():
    assert seconds_since_midnight("010203.5") == 3723.5
    assert seconds_since_midnight("235959") == 86399
    assert seconds_since_midnight("") is None
